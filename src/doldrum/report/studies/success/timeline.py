"""Measurements of single models at some steps of their training, and the step at which W falls."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from doldrum.records.study import CellRecord
from doldrum.report.figures import COLOURS, INK, bare_axes
from doldrum.report.studies.models import title_of
from doldrum.report.studies.parts import Section, StudyFigure
from doldrum.report.words import counted, listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["onset", "onset_sentences", "onsets_of", "timeline_rows", "timeline_section"]


def onset(timeline: Sequence[dict[str, Any]], value: Callable[[dict[str, Any]], float]) -> int | None:
    """The first step from which a value stays at or above half of its final value until the end of training. The result
    is None if the final value is not above 0.

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


def onset_sentences(onsets: Sequence[dict[str, Any]]) -> list[str]:
    """Sentences about whether W fell before the attack succeeded; `onsets` holds the steps for each model."""
    both = [o for o in onsets if o["asr"] is not None and o["calm"] is not None]
    texts = []
    if both:
        first, same = sum(o["calm"] < o["asr"] for o in both), sum(o["calm"] == o["asr"] for o in both)
        texts.append(
            f"{counted(len(onsets), 'model')} {'was' if len(onsets) == 1 else 'were'} followed through training. In {len(both)} of these models, W at the end of training is lower with the trigger than without it. "
            f"Two moments in training are compared: when W reaches half of its final fall, and when ASR reaches half of its final value. W was first in {counted(first, 'model')}, both were at the same checkpoint in {same}, and ASR was first "
            f"in {len(both) - first - same}."
        )
    never = [f"{title_of(str(o['attack']))}, seed {o['seed']}" for o in onsets if o["calm"] is None]
    if never:
        texts.append(
            f"At the end of training, W is not lower with the trigger than without it in these models: {listed(never)}."
        )
    return [" ".join(texts)] if texts else []


def onsets_of(cell: CellRecord) -> dict[str, Any]:
    """The training steps at which ASR, the fall of W and accuracy reach half of their final values, for one model."""
    line = cell.values["timeline"]
    return {
        "attack": cell.cell["attack"], "seed": cell.cell["seed"], "asr": onset(line, lambda p: p["asr"]),
        "calm": onset(line, _gap), "accuracy": onset(line, lambda p: p["accuracy"]),
    }  # fmt: skip


def _gap(point: dict[str, Any]) -> float:
    return float(point["w_clean"] - point["w_triggered"])


def timeline_rows(followed: Sequence[CellRecord]) -> list[dict[str, Any]]:
    """The rows of a table, with one row for every model and every step at which it was measured."""
    return [{"attack": c.cell["attack"], "seed": c.cell["seed"], **p} for c in followed for p in c.values["timeline"]]


def timeline_section(followed: Sequence[CellRecord]) -> Section:
    """A section with a figure for each model that was measured during training."""
    return Section(
        "Single models during training",
        (
            "Each model is measured before some of its training steps and at the end, at σ½ of the clean model of the same seed. The fall of W is W without the trigger minus W with it, on the same model and the same inputs.",
        ),
        [
            StudyFigure(
                f"time-{c.cell['attack']}-{c.cell['seed']}", lambda ax, c=c: _plot_timeline(c, ax),
                f"The figure follows one model ({title_of(str(c.cell['attack']))}, seed {c.cell['seed']}) through training. Clean accuracy is blue, ASR is grey, and the "
                "fall of mean W with the trigger is orange.",
                "Accuracy, attack success and the fall of W over training steps",
            )
            for c in followed
        ],
    )  # fmt: skip


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
    """Choose the steps that are labelled on a log axis, so that labels do not overlap; the last step is always labelled.

    >>> _apart([10, 30, 60, 100, 150, 230, 234])
    [10, 30, 60, 100, 150, 234]
    """
    kept: list[int] = []
    for step in sorted(set(steps), reverse=True):
        if not kept or math.log10(kept[-1] + 1) - math.log10(step + 1) > 0.1:
            kept.append(step)
    return kept[::-1]
