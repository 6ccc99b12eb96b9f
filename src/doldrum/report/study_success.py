"""The report of `study success`: rank correlation of smoothing with attack success over models, and single models in time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from doldrum.records.study import CellRecord, StudyRecords
from doldrum.report.figures import COLOURS, INK
from doldrum.report.study import Section, StudyFigure, StudyPage, StudyTable, bare_axes
from doldrum.report.study_models import ModelRow, between, counted, listed, model_rows, number, title_of
from doldrum.report.words import percent
from doldrum.stats.correlation import cluster_bootstrap, rank_correlation
from doldrum.stats.proportions import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Correlation", "correlations", "onset", "page"]

MIN_MODELS, MIN_HITS, PLANNED = 5, 10, 60
_POOLED = 4  # correlations over all attacks, before those of single ones
_MARKS = "osD^vP*X"


@dataclass(frozen=True)
class Correlation:
    """A rank correlation of smoothing with ASR over `models`; its interval resamples models within attacks.

    NaN where there are too few models, or where all succeed alike.
    """

    what: str
    models: int
    spearman: Interval
    kendall: float

    @property
    def shown(self) -> bool:
        """Whether the interval is above 0."""
        return self.spearman.lower > 0


def correlations(rows: Sequence[ModelRow]) -> list[Correlation]:
    """Pooled within attack, among successful inputs, adjusted for the model's own mean clean W, and attack by attack."""
    hits = [r for r in rows if r.hits >= MIN_HITS]
    found = [
        _correlation("pooled within attack", rows, lambda r: r.effect),
        _correlation("the same, adjusted for the model’s mean clean W", rows, lambda r: r.effect, adjust=True),
        _correlation("among inputs that hit", hits, lambda r: r.effect_hit),
        _correlation("among inputs that hit, adjusted for mean clean W", hits, lambda r: r.effect_hit, adjust=True),
    ]
    attacks = list(dict.fromkeys(r.attack for r in rows))
    assert len(found) == _POOLED
    return found + [
        _correlation(f"{title_of(a)} alone", [r for r in rows if r.attack == a], lambda r: r.effect) for a in attacks
    ]


def _correlation(
    what: str, rows: Sequence[ModelRow], of: Callable[[ModelRow], float], *, adjust: bool = False
) -> Correlation:
    nothing = Interval(math.nan, math.nan, math.nan)
    if len(rows) < MIN_MODELS:
        return Correlation(what, len(rows), nothing, math.nan)
    asr, effect, w = (np.array([f(r) for r in rows]) for f in (lambda r: r.asr, of, lambda r: r.w_clean))
    attacks = np.unique([r.attack for r in rows], return_inverse=True)[1]

    def spearman(at: Any) -> float:
        return rank_correlation(asr[at], effect[at], strata=attacks[at], adjust=[w[at]] if adjust else [])

    found = cluster_bootstrap(spearman, [r.key for r in rows], strata=attacks)
    kendall = math.nan if adjust else rank_correlation(asr, effect, strata=attacks, kind="kendall")
    return Correlation(what, len(rows), found, kendall)


def onset(timeline: Sequence[dict[str, Any]], value: Callable[[dict[str, Any]], float]) -> int | None:
    """The first step at which a value is at least half of its last one, and stays so; None where its last one isn't above 0.

    >>> onset([{"step": s, "asr": a} for s, a in ((0, 0.6), (10, 0.1), (20, 0.7), (40, 1.0))], lambda p: p["asr"])
    20
    """
    last = value(timeline[-1])
    if last <= 0:
        return None
    found = timeline[-1]["step"]
    for point in reversed(timeline):
        if value(point) < last / 2:
            break
        found = point["step"]
    return int(found)


def page(records: StudyRecords) -> StudyPage:
    """What the records say; every number is computed from them."""
    rows = model_rows(records.cells)
    followed = [c for c in records.cells if "timeline" in c.values]
    found = correlations(rows)
    sections = []
    if rows:
        sections.append(_success_section(rows, found))
    if followed:
        sections.append(_timeline_section(followed))
    return StudyPage(
        title="smoother where the attack succeeds more",
        headline=_headline(found[0]),
        lede=_lede(found, rows, followed),
        sections=sections,
        numbers={
            "correlations": [{**asdict(c), "shown": c.shown} for c in found],
            "models": len(rows),
            "inputs": sum(r.inputs for r in rows),
            "onsets": [_onsets(c) for c in followed],
        },
        csv={"models": [r.to_dict() for r in rows], "timelines": _timelines(followed)},
    )


def _headline(pooled: Correlation) -> str:
    if math.isnan(pooled.spearman.value):
        return "Too few models to say whether success goes with smoothness"
    if pooled.shown:
        return "Smoother where the attack succeeds more"
    return (
        "Rougher where the attack succeeds more"
        if pooled.spearman.upper < 0
        else "Success and smoothness: no link is shown"
    )


def _lede(found: Sequence[Correlation], rows: Sequence[ModelRow], followed: Sequence[CellRecord]) -> list[str]:
    pooled, adjusted, hit = found[0], found[1], found[2]
    attacks = len({r.attack for r in rows})
    start = "Finding under test: the model is smoother around triggered inputs where the attack succeeds more. "
    if math.isnan(pooled.spearman.value):
        verdict = f"No answer yet: {pooled.models} models do not vary enough in success."
    else:
        word = (
            "It holds" if pooled.shown else "It is not shown" if pooled.spearman.upper >= 0 else "The reverse is found"
        )
        verdict = (
            f"{word}: over {pooled.models} models of {attacks} {'attack' if attacks == 1 else 'attacks'}, the rank correlation "
            f"of ASR with the fall of W is {_spoken(pooled.spearman)} within attacks."
        )
    rest = ""
    if math.isfinite(adjusted.spearman.value):
        rest += f" Adjusted for the model’s own mean clean W it is {_spoken(adjusted.spearman)}."
    if math.isfinite(hit.spearman.value):
        word = "it holds too" if hit.shown else "the reverse is found" if hit.spearman.upper < 0 else "it is not shown"
        rest += (
            f" Among inputs that hit, where ASR itself can’t drive it, {word}: {_spoken(hit.spearman)} over "
            f"{hit.models} models with at least {MIN_HITS} such inputs."
        )
    each = f" Each model was measured on {between(r.inputs for r in rows)} inputs." if rows else ""
    lede = [start + verdict + rest + each]
    alone = [c for c in found[_POOLED:] if math.isfinite(c.spearman.value)]
    if len(alone) > 1:
        names = listed([f"{c.what} ({_spoken(c.spearman)}, {c.models} models)" for c in alone])
        lede.append(f"Attack by attack, not corrected for their number: {names}.")
    if len(rows) < PLANNED:
        lede.append(f"Provisional: {len(rows)} of at least {PLANNED} models.")
    return [*lede, *_onset_sentences([_onsets(c) for c in followed])]


def _onset_sentences(onsets: Sequence[dict[str, Any]]) -> list[str]:
    both = [o for o in onsets if o["asr"] is not None and o["calm"] is not None]
    texts = []
    if both:
        first, same = sum(o["calm"] < o["asr"] for o in both), sum(o["calm"] == o["asr"] for o in both)
        texts.append(
            f"{counted(len(onsets), 'model')} followed through training, {len(both)} of them to a calm spot: it (half of its "
            f"final depth) came before the attack’s success (half of its final ASR) in {first}, at the same look in {same}, after it "
            f"in {len(both) - first - same}."
        )
    never = [f"{title_of(str(o['attack']))}, seed {o['seed']}" for o in onsets if o["calm"] is None]
    if never:
        texts.append(f"Followed, and without a calm spot at the end of training: {listed(never)}.")
    return [" ".join(texts)] if texts else []


def _success_section(rows: Sequence[ModelRow], found: Sequence[Correlation]) -> Section:
    shared = _shared(rows)
    return Section(
        "Smoothing against success",
        (
            "Each model is one dot. Smoothing is the difference in differences of mean W at the clean twin’s σ½. A triggered "
            "input that fails keeps its own class and its own W, so more success lowers mean W by itself; the second figure "
            "therefore takes only inputs that hit.",
        ),
        [
            StudyFigure("success", lambda ax: _scatter(rows, ax, lambda r: r.effect), "All inputs.",
                        "Effect of the trigger on W against attack success rate, one dot a model"),
            StudyFigure("success-hit", lambda ax: _scatter([r for r in rows if r.hits >= MIN_HITS], ax, lambda r: r.effect_hit),
                        f"Inputs that hit, models with at least {MIN_HITS} of them.",
                        "Effect of the trigger on W among inputs that hit, against attack success rate"),
        ],
        [
            StudyTable(
                "Rank correlation with ASR; 95% intervals resample models within attacks, and are rough below ten models",
                ["", "models", "Spearman (95%)", "Kendall"],
                [[c.what, str(c.models), _text(c.spearman), number(c.kendall, 2, sign=True)] for c in found],
            ),
            StudyTable(
                f"Every model; all have {', '.join(shared)}" if shared else "Every model",
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
    """Settings that all models have."""
    return [p for p in _settings(rows[0]) if all(p in _settings(r) for r in rows)] if rows else []


def _settings(row: ModelRow) -> list[str]:
    return [p for p in row.variant.split(", ") if p]


def _timeline_section(followed: Sequence[CellRecord]) -> Section:
    return Section(
        "One model in time",
        (
            "Before some steps of its training, and at its end, the model is measured at the σ½ of the trained clean twin. The "
            "fall of W is that on the model itself, from the same inputs without the trigger to those with it.",
        ),
        [
            StudyFigure(
                f"time-{c.cell['attack']}-{c.cell['seed']}", lambda ax, c=c: _plot_timeline(c, ax),
                f"{title_of(str(c.cell['attack']))}, seed {c.cell['seed']}: blue is clean accuracy, grey ASR, orange how much "
                "calmer triggered inputs are than clean ones (fall of mean W).",
                "Accuracy, attack success and the fall of W over training steps",
            )
            for c in followed
        ],
    )  # fmt: skip


def _gap(point: dict[str, Any]) -> float:
    return float(point["w_clean"] - point["w_triggered"])


def _onsets(cell: CellRecord) -> dict[str, Any]:
    line = cell.values["timeline"]
    return {
        "attack": cell.cell["attack"], "seed": cell.cell["seed"], "asr": onset(line, lambda p: p["asr"]),
        "calm": onset(line, _gap), "accuracy": onset(line, lambda p: p["accuracy"]),
    }  # fmt: skip


def _timelines(followed: Sequence[CellRecord]) -> list[dict[str, Any]]:
    return [{"attack": c.cell["attack"], "seed": c.cell["seed"], **p} for c in followed for p in c.values["timeline"]]


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


def _plot_timeline(cell: CellRecord, ax: Axes) -> None:
    line = cell.values["timeline"]
    steps = [p["step"] for p in line]
    for of, colour, name in (
        (lambda p: p["accuracy"], COLOURS["clean"], "accuracy"), (lambda p: p["asr"], INK, "ASR"),
        (_gap, COLOURS["backdoored"], "fall of W"),
    ):  # fmt: skip
        ax.plot(steps, [of(p) for p in line], "o-", color=colour, markersize=4, label=name)
    ax.set_xscale("symlog", linthresh=5)
    shown = _apart(steps)
    ax.set_xticks(shown, [str(s) for s in shown])
    ax.minorticks_off()
    bare_axes(ax, xlabel="training steps")
    ax.legend(frameon=False, labelcolor=INK, fontsize=9)


def _apart(steps: Sequence[int]) -> list[int]:
    """Steps that leave room for their names on a log axis, the last one kept.

    >>> _apart([10, 30, 60, 100, 150, 230, 234])
    [10, 30, 60, 100, 150, 234]
    """
    kept: list[int] = []
    for step in sorted(set(steps), reverse=True):
        if not kept or math.log10(kept[-1] + 1) - math.log10(step + 1) > 0.1:
            kept.append(step)
    return kept[::-1]


def _text(interval: Interval) -> str:
    if not math.isfinite(interval.lower):
        return number(interval.value, 2, sign=True)
    return f"{number(interval.value, 2, sign=True)} ({number(interval.lower, 2, sign=True)} to {number(interval.upper, 2, sign=True)})"


def _spoken(interval: Interval) -> str:
    if math.isnan(interval.value):
        return "not to be had from so few models"
    return _text(interval).replace(" (", ", 95% ").rstrip(")")
