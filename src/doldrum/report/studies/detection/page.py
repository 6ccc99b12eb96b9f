"""The report of `study detection`: which detectors find triggered inputs, and keep the promised rate of false alarms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property

from doldrum.records.study import CellRecord, StudyRecords
from doldrum.report.studies.detection.models import Models, grouped, labelled, without_ratio
from doldrum.report.studies.detection.papers import papers_section
from doldrum.report.studies.detection.rows import (
    ADAPTIVE,
    CLEAN,
    EQUAL,
    HELD_OUT,
    PAPER,
    DetectionRow,
    Summary,
    at_budget,
    attack_of,
    detection_rows,
    detector_title,
    headline_rate,
    summaries,
)
from doldrum.report.studies.detection.sections import (
    OURS,
    adaptive_section,
    attack_title,
    attacks_section,
    by_attack,
    false_section,
    refused_section,
    table_section,
    three,
    two,
)
from doldrum.report.studies.detection.stress import stress_sections, stress_sentences
from doldrum.report.studies.parts import Section, StudyPage
from doldrum.report.words import counted, percent

__all__ = ["page"]


@dataclass(frozen=True)
class _Part:
    """The results for one data set and recipe, from the cells without `stress` (tests with bad calibration sets)."""

    models: Models
    cells: Sequence[CellRecord]

    @cached_property
    def rate(self) -> float:
        return headline_rate(self.cells)

    @cached_property
    def rows(self) -> list[DetectionRow]:
        return detection_rows(self.cells)

    @cached_property
    def equal(self) -> list[Summary]:
        return summaries(self.rows, EQUAL, rate=self.rate)

    @cached_property
    def paper(self) -> list[Summary]:
        return summaries(self.rows, PAPER, rate=self.rate)

    @cached_property
    def ranked(self) -> list[Summary]:
        return [s for s in self.equal if math.isfinite(s.development)]


def page(records: StudyRecords) -> StudyPage:
    """Make the page of the study; every number on it is computed from the records. Each data set and recipe has its own sections."""
    cells = records.cells
    parts = [_Part(models, own) for models, own in grouped(c for c in cells if not c.cell.get("stress")).items()]
    alone = len(parts) <= 1 and len({without_ratio(models) for models in grouped(cells)}) == 1
    sections = [s for i, part in enumerate(parts) for s in _sections(part, first=i == 0, alone=alone)]
    refused = refused_section(cells)
    return StudyPage(
        title="which detectors find triggered inputs, and keep the promised rate of false alarms?",
        headline=_headline(parts),
        lede=[*_lede(parts), *stress_sentences(cells, OURS)],
        sections=[*sections, *stress_sections(cells, alone=alone), *([refused] if refused else [])],
        numbers={
            "equal": [_named(part, asdict(s)) for part in parts for s in part.equal],
            "paper": [_named(part, asdict(s)) for part in parts for s in part.paper],
            "rows": sum(len(part.rows) for part in parts),
        },
        csv={"rows": [_named(part, r.to_dict()) for part in parts for r in part.rows]},
    )


def _named(part: _Part, values: Mapping[str, object]) -> dict[str, object]:
    changes = ", ".join(f"{k} {v}" for k, v in part.models.changes)
    return {"data": part.models.data, "recipe": part.models.recipe, "changes": changes, **values}


def _sections(part: _Part, *, first: bool, alone: bool) -> list[Section]:
    table = table_section(part.equal, part.paper, part.rows, part.rate)
    if not first:  # the page starts with this text for the first part
        table = replace(table, text=[*_answer(part), *table.text])
    found = [
        table,
        attacks_section(part.rows, part.cells, part.rate),
        adaptive_section(part.rows, part.cells, part.rate),
        false_section(part.equal, part.rows),
        papers_section(part.paper, part.rows, part.rate),
    ]
    return [labelled(s, part.models, first=first, alone=alone) for s in found if s]


def _headline(parts: Sequence[_Part]) -> str:
    if not parts or not parts[0].ranked:
        return "No development attack was measured"
    best = parts[0].ranked[0]
    return (
        f"With at most 64 forward passes per input, {detector_title(best.detector)} finds {two(best.development)} of triggered inputs at 1% false alarms on "
        f"{parts[0].models.data}"
    )


def _lede(parts: Sequence[_Part]) -> list[str]:
    if not parts:
        return ["This study has only `stress` cells, that is, runs that show the effect of bad calibration sets."]
    others = [f"On {p.models.name}, {_ranking(p)}" for p in parts[1:] if p.ranked]
    return [*_answer(parts[0]), *others]


def _answer(part: _Part) -> list[str]:
    """Sentences about one data set and recipe: what was measured, the TPR of each detector, and the rates of false alarms."""
    victims = [c for c in part.cells if c.cell["attack"] != CLEAN]
    attacks = {attack_of(c.cell) for c in victims}
    seeds = sorted({int(c.cell["seed"]) for c in part.cells})
    texts = [
        f"The data set and recipe are: {part.models.name}. {counted(len(victims), 'backdoored model')} of {counted(len(attacks), 'attack')} and "
        f"{counted(len(part.cells) - len(victims), 'clean model')} were measured, with {'seed' if len(seeds) == 1 else 'seeds'} "
        f"{', '.join(map(str, seeds))}. TPR is the share of triggered inputs that are flagged, at a promised 1% of "
        f"false alarms. Thresholds are from calibration inputs, and only triggered inputs that get the attacker’s label are counted. All results are means over the attacks with {100 * part.rate:.3g}% poison, for detectors with at most 64 forward passes per input."
    ]
    if part.ranked:
        ranking = _ranking(part)
        texts.append(ranking[0].upper() + ranking[1:])
    ours = next((s for s in part.ranked if s.detector == OURS), None)
    if ours:
        mine = [r for r in at_budget(part.rows, EQUAL) if r.detector == OURS]
        by = {name: by_attack(mine, name, part.rate) for name in (HELD_OUT, ADAPTIVE)}
        said = [
            f"{detector_title(OURS)} has a mean AUROC of {three(ours.auroc)} over development attacks. The attack with the lowest TPR of {detector_title(OURS)} is {attack_title(ours.worst)}, with a TPR of {two(ours.worst_tpr)}"
        ]
        said += [
            f"{'Held-out attacks were never used to design the detector' if name == HELD_OUT else 'Adaptive attacks were made to evade detection by smoothness'}. The TPRs of {detector_title(OURS)} for {name.replace(' ', '-')} attacks are: "
            + ", ".join(f"{attack_title(a)} {two(v)}" for a, v in values.items())
            for name, values in by.items()
            if values
        ]
        texts.append(". ".join(said) + ".")
    return [*texts, _promise_sentence(part.equal)]


def _ranking(part: _Part) -> str:
    return (
        "the mean TPRs over development attacks are: "
        + ", ".join(f"{detector_title(s.detector)} {two(s.development)}" for s in part.ranked)
        + "."
    )


def _promise_sentence(found: Sequence[Summary]) -> str:
    models = sum(s.models for s in found)
    kept1, kept5 = sum(s.kept1 for s in found), sum(s.kept5 for s in found)
    low, high = min(found, key=lambda s: s.fpr1.value), max(found, key=lambda s: s.fpr1.value)
    flag = (
        f"{detector_title(low.detector)} flags {percent(low.fpr1.value)}" if len(found) == 1
        else f"the detectors flag from {percent(low.fpr1.value)} ({detector_title(low.detector)}) to {percent(high.fpr1.value)} ({detector_title(high.detector)})"
    )  # fmt: skip
    return (
        f"With a promised false-alarm rate of 1%, {flag} of clean inputs. At this rate, the number of false alarms is inside the 95% interval that the promise allows in {kept1} of {models} pairs of a detector and a model. "
        f"With a promised rate of 5%, this holds for {kept5} pairs. For each model, all detectors use the same inputs, so the pairs of a detector and a model are not independent."
    )  # fmt: skip
