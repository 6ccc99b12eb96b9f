"""The report of `doldrum study patterns` compares W of artificial patterns with W of true triggers, and tests if they
can be distinguished."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from doldrum.records.study import StudyRecords
from doldrum.report.studies.parts import Section, StudyFigure, StudyPage, StudyTable
from doldrum.report.studies.patterns.curves import curve_table
from doldrum.report.studies.patterns.plots import plot_falls, plot_profiles, plot_success
from doldrum.report.studies.patterns.rows import CONTROL_KINDS, PatternRow, Telling, pattern_rows, tell_apart
from doldrum.report.words import between, counted, listed, number, percent, span, spoken, taken_away
from doldrum.stats.effects import Effect, holm, mean_effect

__all__ = ["KindRow", "kind_rows", "page"]

FEWEST = 3
"""If a kind of pattern has fewer models, its verdict is provisional."""
Verdict = Literal["smooths", "roughens", "not shown"]


@dataclass(frozen=True)
class KindRow:
    """The results of one kind of pattern at one level of success, over its models.

    `fall` is W without the pattern minus W with it, on the same inputs, at the clean model's sigma-half. A fall above 0
    means that the pattern makes the model smoother. `p_holm` is the p-value of the fall, Holm-corrected for `tests`,
    the number of kinds of pattern at the same level. `amount`, `share` and all values of W are means over models.
    """

    kind: str
    true: bool
    level: str
    models: int
    inputs: int
    amount: float
    share: float
    w_clean: float
    w: float
    w_hit: float
    fall: Effect
    p_holm: float
    tests: int
    auroc_w: float
    flagged_w: float
    auroc_strip: float
    flagged_strip: float

    @property
    def verdict(self) -> Verdict:
        """The verdict at the 5% level. If the fall of W is significant, the verdict is "smooths" for a positive fall,
        and "roughens" for a negative fall. Otherwise, the verdict is "not shown"."""
        if self.p_holm > 0.05:
            return "not shown"
        return "smooths" if self.fall.value > 0 else "roughens"


def kind_rows(rows: Sequence[PatternRow], level: str) -> list[KindRow]:
    """One row for each kind of pattern that reaches the level of success. The order is: true triggers, patterns made on
    clean models, controls."""
    found: dict[str, list[PatternRow]] = {}
    for row in rows:
        if row.level == level:
            found.setdefault(row.kind, []).append(row)
    order = sorted(found, key=lambda k: (not found[k][0].true, k in CONTROL_KINDS))
    falls = {k: mean_effect([r.fall for r in found[k]]) for k in order}
    adjusted = holm([falls[k].p for k in order]) if order else []
    return [_kind(found[k], falls[k], float(p), len(order)) for k, p in zip(order, adjusted, strict=True)]


def _kind(of: list[PatternRow], fall: Effect, p_holm: float, tests: int) -> KindRow:
    mean = lambda name: float(np.mean([getattr(r, name) for r in of]))  # noqa: E731
    hit = [r.w_hit for r in of if math.isfinite(r.w_hit)]
    return KindRow(
        kind=of[0].kind, true=of[0].true, level=of[0].level, models=len(of), inputs=sum(r.inputs for r in of),
        amount=mean("amount"), share=mean("share"), w_clean=mean("w_clean"), w=mean("w"),
        w_hit=float(np.mean(hit)) if hit else math.nan, fall=fall, p_holm=p_holm, tests=tests,
        auroc_w=mean("auroc_w"), flagged_w=mean("flagged_w"), auroc_strip=mean("auroc_strip"),
        flagged_strip=mean("flagged_strip"),
    )  # fmt: skip


def page(records: StudyRecords) -> StudyPage:
    """Make the page of the study; every number on it is computed from the records."""
    rows = pattern_rows(records.cells)
    levels = sorted({r.level for r in rows if r.level != "full"}, key=float, reverse=True)
    at = {level: kind_rows(rows, level) for level in ("full", *levels)}
    top = levels[0] if levels else "full"
    tellings = [
        told
        for level in ("full", *levels)
        for features in (("w",), ("keep",), ("w", "keep"))
        if (told := tell_apart(records.cells, level=level, features=features)) is not None
    ]
    sections = [
        Section(
            "At full strength",
            (
                "Each pattern is used at the strength with which it was made. Artificial patterns are made on a clean model, from training images. A true trigger is measured on its own backdoored model. The inputs are test images that do not get the pattern’s class without the pattern. W is measured at the clean model’s σ½. “Share” is the share of inputs that get one class with the pattern. The class that is counted is the target "
                "class or, for patterns without a target, the class that gains the most inputs. “Smooths” means that W falls, and “roughens” means that W rises.",
            ),
            [
                StudyFigure(
                    "falls", lambda ax: plot_falls(rows, [(k.kind, k.true) for k in at["full"]], ax),
                    "The figure shows by how much the pattern lowers mean W. Each dot is a model. True triggers are orange, and "
                    "patterns on clean models are blue. A dot to the right of 0 means that the pattern lowers W.",
                    "Fall of mean W for every kind of pattern, one dot per model", height=1.2 + 0.38 * len(at["full"]),
                ),
                StudyFigure(
                    "success", lambda ax: plot_success(rows, ax),
                    "The figure shows mean W with the pattern against the share of inputs that get one class, for patterns at full strength and faded. "
                    "True triggers are orange, and patterns on clean models are blue.",
                    "Mean W against the share of inputs that get one class", height=3.8,
                ),
            ],
            [
                _w_table("At full strength", at["full"]),
                curve_table(records.cells, level="full", caption="Mean W at each strength of the noise: without the pattern → with the pattern at full strength"),
            ],
        ),
        Section(
            "At equal success",
            (
                "Every pattern T is faded by a factor a: it changes an image x to x + a (T(x) − x). The factor a is the smallest factor at which the share of inputs that get one class "
                "reaches the level in the table’s title. Patterns that do not reach this level at full strength are left out.",
            ),
            (),
            [_w_table(f"{percent(float(level))} of inputs get one class", at[level]) for level in levels],
        ),
        Section(
            "Do W and STRIP flag the patterns?",
            (
                "AUROC compares inputs with the pattern and the same inputs without it, on the same model. “Flagged” is the share of inputs with the "
                "pattern that are flagged at a promised 5% of false alarms. A flag for an artificial pattern can be seen as a false alarm, since no attacker planted the pattern, or as a success.",
            ),
            (),
            [
                _flag_table("Patterns at full strength", at["full"]),
                *([_flag_table(f"Patterns faded until {percent(float(top))} of inputs get one class", at[top])] if levels else []),
            ],
        ),
        Section(
            "Can W curves distinguish artificial patterns from a true trigger?",
            _telling_text(tellings),
            [
                StudyFigure(
                    "profiles", lambda ax: plot_profiles(records.cells, "full", ax),
                    "The figure shows the share of draws that keep the input’s label, against the strength of the noise, for inputs that get "
                    "the pattern’s class. Patterns have full strength. True triggers are orange, and patterns on clean models are blue.",
                    "Share of draws that keep the label against noise strength, one line per model", height=3.6,
                )
            ],
            [_telling_table(tellings)] if tellings else [],
        ),
    ]  # fmt: skip
    return StudyPage(
        title="do artificial patterns other than triggers make a model smoother too?",
        headline=_headline(at["full"]),
        lede=_lede(at["full"], at[top] if levels else [], top, rows),
        sections=sections,
        numbers={
            "kinds": {level: [asdict(k) for k in kinds] for level, kinds in at.items()},
            "told_apart": [asdict(t) for t in tellings],
            "models": len({(r.kind, r.seed) for r in rows if r.true}) + len({r.seed for r in rows if not r.true}),
        },
        csv={"patterns": [r.to_dict() for r in rows], "told_apart": [asdict(t) for t in tellings]},
    )


def _headline(kinds: Sequence[KindRow]) -> str:
    made = [k for k in kinds if not k.true and k.kind not in CONTROL_KINDS]
    calm = [k for k in made if k.verdict == "smooths"]
    make = "makes" if len(calm) == 1 else "make"
    return (
        f"{len(calm)} of {len(made)} artificial patterns {make} clean models smoother" if made else "Only true triggers"
    )


def _lede(full: Sequence[KindRow], equal: Sequence[KindRow], level: str, rows: Sequence[PatternRow]) -> list[str]:
    made = [k for k in full if not k.true and k.kind not in CONTROL_KINDS]
    clean, bad = {r.seed for r in rows if not r.true}, {(r.kind, r.seed) for r in rows if r.true}
    texts = [
        "This study tests whether artificial patterns other than triggers also make a model smoother, without poisoning.",
        *(
            [
                f"W falls significantly for {sum(k.verdict == 'smooths' for k in made)} of {counted(len(made), 'kind')} of artificial patterns."
            ]
            if made
            else []
        ),
        *_verdicts("On clean models, with patterns at full strength:", made),
        "The numbers in brackets say how much mean W falls with the pattern at σ½, with 95% intervals over models. Verdicts are at the 5% level. "
        f"The p-values of these verdicts are Holm-corrected for {counted(len(full), 'kind')} of pattern, counting controls and true triggers too. "
        f"The study has {counted(len(clean), 'clean model')} and {counted(len(bad), 'backdoored model')}, with "
        f"{between(r.inputs for r in rows)} inputs each.",
    ]
    lede = [
        " ".join(texts),
        *_verdicts("Controls on clean models:", [k for k in full if k.kind in CONTROL_KINDS]),
        *_verdicts("True triggers on their backdoored models:", [k for k in full if k.true]),
    ]
    true, other = ([k for k in equal if k.true is side] for side in (True, False))
    if true and other:
        lede.append(
            f"If all patterns are faded until {percent(float(level))} of inputs get one class, mean W with true triggers is "
            f"{_range(true)}, and with patterns on clean models it is {_range(other)}."
        )
    few = [k.kind for k in full if k.models < FEWEST]
    if few:
        lede.append(f"The verdicts are provisional for {listed(few)}, with fewer than {FEWEST} models so far.")
    return lede


def _verdicts(what: str, kinds: Sequence[KindRow]) -> list[str]:
    """One text about the effects of the given kinds of pattern, in a list. The list is empty if `kinds` is empty."""
    by: dict[str, list[str]] = {"smooths": [], "roughens": [], "not shown": []}
    for k in kinds:
        why = taken_away(k.fall, k.p_holm, k.tests)
        by[k.verdict].append(f"{k.kind.replace(', ', ' ')} ({spoken(k.fall)}, {k.models} models{why})")
    words = {"smooths": "W falls with", "roughens": "W rises with", "not shown": "no change of W is shown with"}
    parts = [f"{words[verdict]} {listed(names)}" for verdict, names in by.items() if names]
    return [f"{what} {'. '.join(p if i == 0 else p[0].upper() + p[1:] for i, p in enumerate(parts))}."] if parts else []


def _range(kinds: Sequence[KindRow]) -> str:
    w = sorted(k.w for k in kinds)
    return number(w[0]) if len(w) == 1 else f"{number(w[0])} to {number(w[-1])}"


def _w_table(caption: str, kinds: Sequence[KindRow]) -> StudyTable:
    return StudyTable(
        caption + ": mean W at σ½ without and with the pattern, and the fall of mean W with a 95% t interval over models",
        ["pattern", "verdict", "models", "a", "share", "W without", "W with", "W of inputs that get the pattern’s class", "fall"],
        [
            [
                k.kind, k.verdict, str(k.models), number(k.amount, 2), percent(k.share), number(k.w_clean), number(k.w),
                number(k.w_hit), span(k.fall),
            ]
            for k in kinds
        ],
    )  # fmt: skip


def _flag_table(caption: str, kinds: Sequence[KindRow]) -> StudyTable:
    return StudyTable(
        caption,
        ["pattern", "models", "W: AUROC", "W: flagged", "STRIP: AUROC", "STRIP: flagged"],
        [
            [
                k.kind, str(k.models), number(k.auroc_w, 2), percent(k.flagged_w), number(k.auroc_strip, 2),
                percent(k.flagged_strip),
            ]
            for k in kinds
        ],
    )  # fmt: skip


def _telling_text(tellings: Sequence[Telling]) -> list[str]:
    texts = [
        "For each input, a linear discriminant gets W, the share of draws that keep the label, or both, at each noise strength. "
        "The discriminant learns from all kinds of pattern except one true trigger and one artificial pattern, and must then distinguish these two. So the discriminant must learn what triggers have in common, not what one trigger looks like. Models with the same seed share one clean model."
    ]
    if not tellings:
        return [*texts, "Too few kinds of pattern have been measured to answer this question."]
    best = max(tellings, key=lambda t: t.mean)
    answer = (
        "W curves do not reliably distinguish artificial patterns from true triggers"
        if best.least < 0.9
        else "W curves distinguish these artificial patterns from true triggers"
    )
    return [
        *texts,
        f"{answer}: with the best features, the mean AUROC over {best.pairs} pairs is {number(best.mean, 2)}, and the lowest AUROC is "
        f"{number(best.least, 2)} (for the pair {best.worst[0]} and {best.worst[1]}).",
    ]


def _telling_table(tellings: Sequence[Telling]) -> StudyTable:
    names = {"w": "W", "keep": "kept labels", "w and keep": "both"}
    return StudyTable(
        "AUROC of true triggers against artificial patterns. The discriminant was not trained on the two patterns of the pair. An AUROC of one half is chance",
        ["features", "at", "pairs", "mean", "lowest", "hardest pair"],
        [
            [
                names.get(t.features, t.features), "full strength" if t.level == "full" else percent(float(t.level)),
                str(t.pairs), number(t.mean, 2), number(t.least, 2), " / ".join(t.worst),
            ]
            for t in tellings
        ],
    )  # fmt: skip
