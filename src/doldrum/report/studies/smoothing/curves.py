"""The effect of an attack on W at each noise strength."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from doldrum.records.study import CellRecord
from doldrum.report.figures import COLOURS, INK, bare_axes
from doldrum.report.studies.models import title_of
from doldrum.report.studies.parts import StudyFigure, StudyTable
from doldrum.report.studies.smoothing.rows import AttackRow
from doldrum.report.words import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["curve_figure", "effects_by_strength", "strength_sentence", "strength_table"]


def effects_by_strength(attack: str, cells: Sequence[CellRecord]) -> dict[float, float]:
    """The mean effect over the models of an attack, at each noise strength. Only noise strengths that were measured on
    all these models are included."""
    chosen = [c for c in cells if c.cell["attack"] == attack and "curves" in c.values]
    own, shared = [c.values for c in chosen], _shared(chosen)
    found = {}
    for s in shared:
        w = [{k: curve[v["strengths"].index(s)] for k, curve in v["curves"].items()} for v in own]
        found[s] = float(
            np.mean([m["suspect/clean"] - m["suspect/triggered"] - m["clean/clean"] + m["clean/triggered"] for m in w])
        )
    return found


def _shared(cells: Sequence[CellRecord]) -> list[float]:
    """The noise strengths that every cell's settings contain. Sigma-half is left out, because it differs between models."""
    measured = ({float(s) for s in c.values["strengths"]} for c in cells)
    return sorted(set.intersection(*measured, *({float(s) for s in c.cell["strengths"]} for c in cells)))


def strength_table(attacks: Sequence[AttackRow], cells: Sequence[CellRecord]) -> StudyTable:
    """A table of the mean effect of each attack on W at each noise strength."""
    by = {a.attack: effects_by_strength(a.attack, cells) for a in attacks}
    strengths = sorted({s for found in by.values() for s in found})
    return StudyTable(
        "Mean effect over models at each strength of the noise",
        ["attack", *(f"σ {s:g}" for s in strengths)],
        [[title_of(a), *(number(found.get(s, math.nan), sign=True) for s in strengths)] for a, found in by.items()],
    )


def strength_sentence(attacks: Sequence[AttackRow], cells: Sequence[CellRecord]) -> str:
    """A sentence that says at which noise strength each attack lowers W most; empty if no curve was measured."""
    parts = []
    for a in attacks:
        found = effects_by_strength(a.attack, cells)
        if not found:
            continue
        best = max(found, key=found.__getitem__)
        if found[best] <= 0:
            parts.append(f"{title_of(a.attack)} at no strength")
            continue
        turned = "" if a.effect.value > 0 else f", against {number(a.effect.value, sign=True)} at σ½"
        parts.append(f"{title_of(a.attack)} {number(found[best], sign=True)} at σ = {best:g}{turned}")
    if not parts:
        return ""
    return (
        "The effect depends on the strength of the noise. The largest mean fall of W for each attack, and the noise strength of this fall, "
        "are (not tested for significance): " + "; ".join(parts) + "."
    )


def curve_figure(attack: str, cells: Sequence[CellRecord]) -> StudyFigure:
    """A figure for one attack: mean W at each noise strength, on the backdoored and on the clean model, for inputs
    without and with the trigger."""
    title = title_of(attack)
    return StudyFigure(
        f"curve-{attack}", lambda ax: _plot_curves(attack, cells, ax),
        f"The attack is {title}. The backdoored model is orange, and the clean model is blue. Lines for inputs with the trigger are dashed. The dotted line marks the mean of σ½.",
        f"Mean W against noise strength for {title}, without and with the trigger, on both models", height=3.4,
    )  # fmt: skip


def _plot_curves(attack: str, cells: Sequence[CellRecord], ax: Axes) -> None:
    own = [c for c in cells if c.cell["attack"] == attack and "curves" in c.values]
    strengths = _shared(own)
    for key in own[0].values["curves"]:
        lines = [dict(zip(c.values["strengths"], c.values["curves"][key], strict=True)) for c in own]
        model, kind = key.split("/")
        ax.plot(
            strengths, [np.mean([line[s] for line in lines]) for s in strengths], linewidth=2, marker="o", markersize=3,
            color=COLOURS["backdoored" if model == "suspect" else "clean"], linestyle="--" if kind == "triggered" else "-",
        )  # fmt: skip
    ax.axvline(float(np.mean([c.values["sigma_half"] for c in own])), color=INK, linewidth=1, linestyle=":")
    ax.set_xscale("log")
    ax.set_xticks(strengths, [f"{s:g}" for s in strengths])
    ax.minorticks_off()
    ax.set_ylim(bottom=0)
    bare_axes(ax, xlabel="strength σ of the noise", ylabel="mean W")
