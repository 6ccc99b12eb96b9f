"""Plot the figures of `study patterns`. True triggers are orange, and patterns on clean models are blue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from doldrum.records.study import CellRecord
from doldrum.report.figures import COLOURS, INK, bare_axes, name_rows
from doldrum.report.studies.patterns.rows import CONTROL_KINDS, PatternRow, kind_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_falls", "plot_profiles", "plot_success"]


def _colour(true: bool) -> str:
    return COLOURS["backdoored" if true else "clean"]


def plot_falls(rows: Sequence[PatternRow], kinds: Sequence[tuple[str, bool]], ax: Axes) -> None:
    """Plot how far W falls when the pattern is added: one dot per model, and one row per kind of pattern."""
    ax.axvline(0, color=INK, linewidth=1)
    for place, (kind, true) in enumerate(kinds):
        values = [r.fall for r in rows if r.kind == kind and r.level == "full"]
        ax.plot(values, [place] * len(values), "o", color=_colour(true), alpha=0.6, markersize=5)
    name_rows(ax, [kind for kind, _ in kinds])
    bare_axes(ax, xlabel="fall of mean W at σ½ (above 0: the pattern lowers W)")


def plot_success(rows: Sequence[PatternRow], ax: Axes) -> None:
    """Plot mean W against the success rate of the pattern."""
    for true, marker in ((False, "o"), (True, "D")):
        own = [r for r in rows if r.true is true]
        ax.plot([r.share for r in own], [r.w for r in own], marker, color=_colour(true), alpha=0.7, markersize=5)
    ax.set_ylim(bottom=0)
    bare_axes(ax, xlabel="share of inputs that get one class", ylabel="mean W at σ½ with the pattern")


def plot_profiles(cells: Sequence[CellRecord], level: str, ax: Axes) -> None:
    """Plot the share of draws that keep the label against the noise strength; random controls are left out."""
    for cell in cells:
        kind, true = kind_of(cell)
        condition = cell.values["conditions"].get(level, {})
        if "hit_keep" in condition and kind not in CONTROL_KINDS:
            ax.plot(
                cell.values["strengths"], condition["hit_keep"], color=_colour(true), linewidth=1.6, alpha=0.7,
                linestyle="-" if true else "--",
            )  # fmt: skip
    ax.set_xscale("log")
    asked = sorted({float(s) for c in cells for s in c.cell["strengths"]})
    ax.set_xticks(asked, [f"{s:g}" for s in asked])
    ax.minorticks_off()
    ax.set_ylim(0, 1.03)
    bare_axes(ax, xlabel="strength σ of the noise", ylabel="share of draws that keep the label")
