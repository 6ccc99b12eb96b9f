"""Figures of `study detection`: ROC at low FPR, cost against TPR, and a heat map of attacks and detectors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from doldrum.report.figures import COLOURS, INK, bare_axes, is_narrow
from doldrum.report.studies.detection.rows import Summary, detector_title

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
    """Plot a line of (realised FPR, TPR) for each detector; the line of SmoothnessProfile is orange."""
    for number, (name, points) in enumerate(curves.items()):
        kept = [(x, y) for x, y in points if x > 0 and math.isfinite(y)]
        ours = name == _OURS
        if kept:
            ax.plot(
                *zip(*kept, strict=True), label=detector_title(name), linewidth=2.6 if ours else 1.3,
                color=COLOURS["backdoored" if ours else "clean"], linestyle=_DASHES[number % len(_DASHES)],
                marker="" if ours else "osD^vP*Xhp"[number % 10], markersize=4,
            )  # fmt: skip
    ax.set_xscale("log")
    ax.set_ylim(-0.02, 1.02)
    if ax.lines:
        place: dict[str, Any] = (
            {"loc": "lower center", "bbox_to_anchor": (0.45, 1), "ncols": 2} if is_narrow(ax) else {"loc": "upper left"}
        )
        for text in ax.legend(fontsize=8, frameon=False, **place).get_texts():
            text.set_color(INK)
    bare_axes(ax, xlabel="actual false-positive rate (log scale)", ylabel="mean TPR over development attacks")


def plot_cost(found: Sequence[Summary], ax: Axes) -> None:
    """Plot CPU milliseconds per input against mean TPR at 1%, with a dot per detector and budget of forward passes."""
    for s in found:
        colour = COLOURS["backdoored" if s.detector == _OURS else "clean"]
        ax.plot(s.milliseconds, s.development, "o" if s.budget == "paper" else "D", color=colour, markersize=6)
    ax.set_xscale("log")
    ax.set_ylim(-0.05, 1.08)
    bare_axes(ax, xlabel="processor time per input in ms (log)", ylabel="mean TPR at 1% FPR")
    names = {
        (s.milliseconds, s.development): f"{detector_title(s.detector)} ({s.forwards})"
        for s in found
        if math.isfinite(s.development)
    }
    _name_dots(names, ax)


def _name_dots(names: Mapping[tuple[float, float], str], ax: Axes) -> None:
    """Write a name next to each dot, so that no name covers another name or a dot.

    A name is at the nearest free height, and to the right of its dot if there is space.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # places the axes, which a layout does only when it draws
    scale = 72 / figure.dpi
    box = ax.get_window_extent()
    dots = [ax.transData.transform(place) * scale for place in names]
    taken = [(x - 4, x + 4, y - 4, y + 4) for x, y in dots]
    for (place, name), (x, y) in sorted(zip(names.items(), dots, strict=True), key=lambda item: -item[1][1]):
        width = 4.5 * len(name)
        right = x + 6 + width < box.x1 * scale + 4
        left = x + 6 if right else x - 6 - width
        heights = sorted(np.arange(-130.0, 131.0, 2.0), key=lambda d: (abs(d), -d))
        free = [
            d for d in heights
            if y + d - 4 > box.y0 * scale
            and all(left > b or left + width < a or y + d + 4.5 < low or y + d - 4.5 > high for a, b, low, high in taken)
        ]  # fmt: skip
        up = free[0] if free else 0.0
        taken.append((left, left + width, y + up - 4.5, y + up + 4.5))
        line = {"arrowstyle": "-", "color": INK, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3} if abs(up) > 9 else None
        ax.annotate(
            name, place, xytext=(left - x, up), textcoords="offset points", fontsize=8, color=INK, va="center",
            arrowprops=line, annotation_clip=False,
        )  # fmt: skip


def plot_heat(rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float]], ax: Axes) -> None:
    """Plot a heat map with a square for each attack (row) and detector (column), with the TPR as text; NaN stays empty."""
    grid = np.array(values, dtype=float)
    ax.imshow(np.ma.masked_invalid(grid), cmap="Blues", vmin=0, vmax=1.35, aspect="auto")
    for i, j in np.ndindex(*grid.shape):
        if math.isfinite(grid[i, j]):
            ax.text(
                j,
                i,
                _short(float(grid[i, j])),
                ha="center",
                va="center",
                fontsize=7,
                color="#ffffff" if grid[i, j] > 0.6 else "#1a1a1a",
            )
    ax.set_xticks(range(len(columns)), columns, rotation=40, ha="right", fontsize=8)
    ax.set_yticks(range(len(rows)), rows, fontsize=8)
    ax.tick_params(colors=INK, length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _short(value: float) -> str:
    """Write a share from 0 to 1 as text of at most three characters.

    >>> _short(0.0), _short(0.493), _short(0.996), _short(1.0)
    ('.00', '.49', '1', '1')
    """
    text = f"{value:.2f}"
    return "1" if text == "1.00" else text[1:]
