"""The report of `study success`: the rank correlation of the fall of W with attack success, and single models during training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from doldrum.records.study import CellRecord, StudyRecords
from doldrum.report.figures import COLOURS, INK, bare_axes
from doldrum.report.studies.models import ModelRow, model_rows, title_of
from doldrum.report.studies.parts import Section, StudyFigure, StudyPage, StudyTable
from doldrum.report.studies.success.correlations import MIN_HITS, POOLED, Correlation, correlations
from doldrum.report.studies.success.timeline import onset_sentences, onsets_of, timeline_rows, timeline_section
from doldrum.report.words import between, listed, number, percent
from doldrum.stats.proportions import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["page"]

PLANNED = 60
_MARKS = "osD^vP*X"


def page(records: StudyRecords) -> StudyPage:
    """Make the page of the study; every number on it is computed from the records."""
    rows = model_rows(records.cells)
    followed = [c for c in records.cells if "timeline" in c.values]
    found = correlations(rows)
    sections = []
    if rows:
        sections.append(_success_section(rows, found))
    if followed:
        sections.append(timeline_section(followed))
    return StudyPage(
        title="is the model smoother if the attack succeeds more often?",
        headline=_headline(found[0]),
        lede=_lede(found, rows, followed),
        sections=sections,
        numbers={
            "correlations": [{**asdict(c), "shown": c.shown} for c in found],
            "models": len(rows),
            "inputs": sum(r.inputs for r in rows),
            "onsets": [onsets_of(c) for c in followed],
        },
        csv={"models": [r.to_dict() for r in rows], "timelines": timeline_rows(followed)},
    )


def _headline(pooled: Correlation) -> str:
    if math.isnan(pooled.spearman.value):
        return "There are too few models to say whether success and smoothness are related"
    if pooled.shown:
        return "The model is smoother if the attack succeeds more often"
    return (
        "The model is less smooth if the attack succeeds more often"
        if pooled.spearman.upper < 0
        else "No relation between success and smoothness is shown"
    )


def _lede(found: Sequence[Correlation], rows: Sequence[ModelRow], followed: Sequence[CellRecord]) -> list[str]:
    pooled, adjusted, hit = found[0], found[1], found[2]
    attacks = len({r.attack for r in rows})
    start = "This study tests whether the model is smoother around triggered inputs if the attack succeeds more often. "
    if math.isnan(pooled.spearman.value):
        verdict = f"There is no answer yet: there are too few models ({pooled.models}), or their success rates do not vary enough."
    else:
        word = (
            "A positive relation is shown"
            if pooled.shown
            else "No relation is shown"
            if pooled.spearman.upper >= 0
            else "A negative relation is shown"
        )
        verdict = (
            f"{word}: over {pooled.models} models of {attacks} {'attack' if attacks == 1 else 'attacks'}, the rank correlation "
            f"of ASR with the fall of W, computed within attacks, is {_spoken(pooled.spearman)}."
        )
    rest = ""
    if math.isfinite(adjusted.spearman.value):
        rest += f" Adjusted for each model’s mean W on clean images, the correlation is {_spoken(adjusted.spearman)}."
    if math.isfinite(hit.spearman.value):
        word = (
            "a positive relation is shown"
            if hit.shown
            else "a negative relation is shown"
            if hit.spearman.upper < 0
            else "no relation is shown"
        )
        rest += (
            f" Counting only inputs that get the attacker’s label excludes the direct effect of ASR. If only inputs that get the attacker’s label are counted, {word}: the correlation is {_spoken(hit.spearman)} over "
            f"{hit.models} models with at least {MIN_HITS} such inputs."
        )
    each = f" Each model was measured on {between(r.inputs for r in rows)} inputs." if rows else ""
    lede = [start + verdict + rest + each]
    alone = [c for c in found[POOLED:] if math.isfinite(c.spearman.value)]
    if len(alone) > 1:
        names = listed([f"{c.what} ({_spoken(c.spearman)}, {c.models} models)" for c in alone])
        lede.append(
            f"Within each attack separately, the correlations are: {names}. These correlations are not corrected for the number of attacks."
        )
    if len(rows) < PLANNED:
        lede.append(f"The results are provisional: only {len(rows)} of at least {PLANNED} planned models were run.")
    return [*lede, *onset_sentences([onsets_of(c) for c in followed])]


def _success_section(rows: Sequence[ModelRow], found: Sequence[Correlation]) -> Section:
    shared = _shared(rows)
    return Section(
        "Smoothing against success",
        (
            "Each model is one dot. The fall of W is a difference in differences of mean W, at σ½ of the clean model of the same seed. A triggered "
            "input on which the attack fails keeps its class and its W. So if W falls on the inputs on which the attack succeeds, mean W is lower if the success rate is higher. Therefore the second figure uses only inputs that hit, that is, inputs that get the attacker’s label.",
        ),
        [
            StudyFigure("success", lambda ax: _scatter(rows, ax, lambda r: r.effect), "This figure counts all inputs.",
                        "Effect of the trigger on W against attack success rate, one dot per model"),
            StudyFigure("success-hit", lambda ax: _scatter([r for r in rows if r.hits >= MIN_HITS], ax, lambda r: r.effect_hit),
                        f"This figure counts only inputs that get the attacker’s label, for models with at least {MIN_HITS} such inputs.",
                        "Effect of the trigger on W among inputs that get the attacker’s label, against attack success rate"),
        ],
        [
            StudyTable(
                "Rank correlation with ASR. The 95% intervals come from resampling models within attacks. The intervals are rough if there are fewer than ten models",
                ["", "models", "Spearman (95%)", "Kendall"],
                [[c.what, str(c.models), _text(c.spearman), number(c.kendall, 2, sign=True)] for c in found],
            ),
            StudyTable(
                f"Every model. All models share these settings: {', '.join(shared)}" if shared else "Every model",
                ["attack", "rate", "settings", "seed", "ASR", "inputs that hit", "effect", "among hits"],
                [
                    [title_of(r.attack), f"{r.rate:g}", ", ".join(p for p in _settings(r) if p not in shared) or "–", str(r.seed),
                     percent(r.asr), f"{r.hits} of {r.inputs}", number(r.effect, sign=True), number(r.effect_hit, sign=True)]
                    for r in rows
                ],
                folded=True,
            ),
        ],
    )  # fmt: skip


def _shared(rows: Sequence[ModelRow]) -> list[str]:
    """The settings that all models have in common."""
    return [p for p in _settings(rows[0]) if all(p in _settings(r) for r in rows)] if rows else []


def _settings(row: ModelRow) -> list[str]:
    return [p for p in row.variant.split(", ") if p]


def _scatter(rows: Sequence[ModelRow], ax: Axes, of: Callable[[ModelRow], float]) -> None:
    ax.axhline(0, color=INK, linewidth=1)
    for i, attack in enumerate(dict.fromkeys(r.attack for r in rows)):
        own = [r for r in rows if r.attack == attack]
        colour = COLOURS["backdoored"] if i % 2 == 0 else COLOURS["clean"]
        mark = _MARKS[i % len(_MARKS)]
        ax.plot([r.asr for r in own], [of(r) for r in own], mark, color=colour, alpha=0.8, label=title_of(attack))
    bare_axes(ax, xlabel="attack success rate", ylabel="fall of W")
    ax.set_xlim(-0.02, 1.02)
    if rows:
        ax.legend(frameon=False, labelcolor=INK, fontsize=9)


def _text(interval: Interval) -> str:
    if not math.isfinite(interval.lower):
        return number(interval.value, 2, sign=True)
    return f"{number(interval.value, 2, sign=True)} ({number(interval.lower, 2, sign=True)} to {number(interval.upper, 2, sign=True)})"


def _spoken(interval: Interval) -> str:
    if math.isnan(interval.value):
        return "not computable with so few models"
    return _text(interval).replace(" (", ", 95% ").rstrip(")")
