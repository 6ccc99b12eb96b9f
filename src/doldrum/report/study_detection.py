"""The report of `study detection`: which detectors find triggered inputs, and keep their promise about false alarms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

from doldrum.records.study import CellRecord, StudyRecords
from doldrum.report.study import StudyPage
from doldrum.report.study_detection_rows import (
    ADAPTIVE,
    CLEAN,
    EQUAL,
    HEADLINE_RATE,
    HELD_OUT,
    PAPER,
    TITLES,
    DetectionRow,
    Summary,
    at_budget,
    detection_rows,
    summaries,
)
from doldrum.report.study_detection_sections import (
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
from doldrum.report.study_detection_stress import stress_sections, stress_sentence
from doldrum.report.words import percent

__all__ = ["page"]


def page(records: StudyRecords) -> StudyPage:
    """What the records say; every number is computed from them."""
    rows = detection_rows(records.cells)
    equal, paper = summaries(rows, EQUAL), summaries(rows, PAPER)
    sections = [
        table_section(equal, paper, rows),
        *([attacks] if (attacks := attacks_section(rows, records.cells)) else []),
        *([adaptive] if (adaptive := adaptive_section(rows, records.cells)) else []),
        false_section(equal, rows),
        *stress_sections(records.cells),
        *([refused] if (refused := refused_section(records.cells)) else []),
    ]
    return StudyPage(
        title="which detectors find triggered inputs, and keep their promise",
        headline=_headline(equal),
        lede=_lede(equal, rows, records.cells),
        sections=sections,
        numbers={"equal": [asdict(s) for s in equal], "paper": [asdict(s) for s in paper], "rows": len(rows)},
        csv={"rows": [r.to_dict() for r in rows]},
    )


def _headline(found: Sequence[Summary]) -> str:
    ranked = [s for s in found if math.isfinite(s.development)]
    if not ranked:
        return "No development attack was measured"
    first = ranked[0]
    return f"At 64 forwards an input {TITLES[first.detector]} finds {two(first.development)} of triggered inputs at 1% false alarms"


def _lede(found: Sequence[Summary], rows: Sequence[DetectionRow], cells: Sequence[CellRecord]) -> list[str]:
    plain = [c for c in cells if not c.cell.get("stress")]
    victims = [c for c in plain if c.cell["attack"] != CLEAN]
    attacks = {c.cell["attack"] for c in victims}
    seeds = sorted({int(c.cell["seed"]) for c in plain})
    ranked = [s for s in found if math.isfinite(s.development)]
    texts = [
        f"{len(victims)} {plural(len(victims), 'victim')} of {len(attacks)} {plural(len(attacks), 'attack')} and {len(plain) - len(victims)} clean "
        f"{plural(len(plain) - len(victims), 'model')}, {plural(len(seeds), 'seed')} {', '.join(map(str, seeds))}. Figures are TPR at a promised 1% of "
        "false alarms, by thresholds from calibration inputs, over triggered inputs that get the attacker’s label; "
        f"means over the attacks with {HEADLINE_RATE:.0%} poison, at 64 forwards an input at most."
    ]
    if ranked:
        texts.append(
            "Over development attacks: " + ", ".join(f"{TITLES[s.detector]} {two(s.development)}" for s in ranked) + "."
        )
    ours = next((s for s in ranked if s.detector == OURS), None)
    if ours:
        by = {
            name: by_attack([r for r in at_budget(rows, EQUAL) if r.detector == OURS], name)
            for name in (HELD_OUT, ADAPTIVE)
        }
        parts = [
            f"{TITLES[OURS]}: AUROC {three(ours.auroc)} over development attacks, weakest on {attack_title(ours.worst)} ({two(ours.worst_tpr)})"
        ]
        parts += [
            f"{name} attacks, {'never used in its design' if name == HELD_OUT else 'made to evade smoothness'}: "
            + ", ".join(f"{attack_title(a)} {two(v)}" for a, v in values.items())
            for name, values in by.items()
            if values
        ]
        texts.append("; ".join(parts) + ".")
    texts.append(_promise_sentence(found))
    return [*texts, *filter(None, [stress_sentence(cells, OURS)])]


def _promise_sentence(found: Sequence[Summary]) -> str:
    models = sum(s.models for s in found)
    kept1, kept5 = sum(s.kept1 for s in found), sum(s.kept5 for s in found)
    low, high = min(found, key=lambda s: s.fpr1.value), max(found, key=lambda s: s.fpr1.value)
    return (
        f"Promised 1% of false alarms, detectors raise from {percent(low.fpr1.value)} ({TITLES[low.detector]}) to "
        f"{percent(high.fpr1.value)} ({TITLES[high.detector]}) on clean inputs. In {kept1} of {models} pairs of a detector and a model "
        f"they lie inside the 95% interval of the promise (at 5%: {kept5}). The detectors of a model share its inputs, so these pairs "
        "are not independent."
    )  # fmt: skip


def plural(n: int, word: str) -> str:
    return word if n == 1 else word + "s"
