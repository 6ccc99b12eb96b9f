"""Figures of `study detection`: ROC at low FPR, cost against TPR, and a heat map of attacks and detectors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from doldrum.report.figures import COLOURS, INK
from doldrum.report.study import bare_axes
from doldrum.report.study_detection_rows import TITLES, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_cost", "plot_heat", "plot_roc"]

_OURS = "profile"
_DASHES = (
    "-",
    "--",
    "-.",
    ":",
    (0, (6, 1)),
    (0, (3, 1, 1, 1)),
    (0, (1, 1)),
    (0, (5, 4)),
    (0, (2, 3)),
    (0, (8, 3, 2, 3)),
)


def plot_roc(curves: Mapping[str, Sequence[tuple[float, float]]], ax: Axes) -> None:
    """A line of (realised FPR, TPR) a detector; ours in orange."""
    for number, (name, points) in enumerate(curves.items()):
        kept = [(x, y) for x, y in points if x > 0 and math.isfinite(y)]
        ours = name == _OURS
        if kept:
            ax.plot(
                *zip(*kept, strict=True), label=TITLES.get(name, name), linewidth=2.6 if ours else 1.3,
                color=COLOURS["backdoored" if ours else "clean"], linestyle=_DASHES[number % len(_DASHES)],
            )  # fmt: skip
    ax.set_xscale("log")
    ax.set_ylim(-0.02, 1.02)
    if ax.lines:
        for text in ax.legend(fontsize=8, frameon=False, loc="upper left").get_texts():
            text.set_color(INK)
    bare_axes(ax, xlabel="realised false-positive rate (log)", ylabel="mean TPR over development attacks")


def plot_cost(found: Sequence[Summary], ax: Axes) -> None:
    """A dot a detector and budget: CPU milliseconds an input against mean TPR at 1%."""
    for number, s in enumerate(sorted(found, key=lambda s: (s.milliseconds, s.detector))):
        ours = s.detector == _OURS
        colour = COLOURS["backdoored" if ours else "clean"]
        ax.plot(s.milliseconds, s.development, "o" if s.budget == "paper" else "D", color=colour, markersize=6)
        ax.annotate(
            f"{TITLES.get(s.detector, s.detector)} ({s.forwards})", (s.milliseconds, s.development), xytext=(5, 4 + 11 * (number % 4)),
            textcoords="offset points", fontsize=8, color=INK,
        )  # fmt: skip
    ax.set_xscale("log")
    ax.set_ylim(-0.05, 1.08)
    bare_axes(ax, xlabel="CPU milliseconds an input (log)", ylabel="mean TPR at 1% FPR")


def plot_heat(rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float]], ax: Axes) -> None:
    """One square an attack (row) and detector (column), with its TPR in it; NaN stays empty."""
    grid = np.array(values, dtype=float)
    ax.imshow(np.ma.masked_invalid(grid), cmap="Blues", vmin=0, vmax=1.35, aspect="auto")
    for i, j in np.ndindex(*grid.shape):
        if math.isfinite(grid[i, j]):
            ax.text(
                j,
                i,
                f"{grid[i, j]:.2f}"[-3:] if grid[i, j] < 1 else "1",
                ha="center",
                va="center",
                fontsize=7,
                color="#1a1a1a",
            )
    ax.set_xticks(range(len(columns)), columns, rotation=40, ha="right", fontsize=8)
    ax.set_yticks(range(len(rows)), rows, fontsize=8)
    ax.tick_params(colors=INK, length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
