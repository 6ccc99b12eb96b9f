"""The demo's figures: curves, distributions and examples, drawn from its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from doldrum.records import COMBINATIONS, Curve, Example
from doldrum.report.figures import COLOURS, INK, grey_axes, is_narrow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["label_of", "name_of", "plot_curves", "plot_distribution", "plot_examples"]

_STYLES: dict[str, Any] = {"clean": "solid", "triggered": (0, (4, 2))}
_MARKERS = {"clean": "o", "triggered": "D"}
_FONT = 10.5


def label_of(model: str, inputs: str) -> str:
    """The name of a combination of model and inputs in all legends and tables.

    >>> label_of("backdoored", "triggered")
    'backdoored model, triggered inputs'
    """
    return f"{model} model, {inputs} inputs"


def plot_curves(curves: Iterable[Curve], ax: Axes, *, sigma_half: float | None = None) -> Axes:
    """Plot mean W at each noise strength (log scale), with confidence bands.

    The colour shows the model, and the line style shows the inputs. `sigma_half` marks the strength at which W is
    measured in the other figures.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    by_key = {c.key: c for c in curves}
    ordered = [by_key[f"{m}/{i}"] for m, i in COMBINATIONS if f"{m}/{i}" in by_key]
    for curve in ordered:
        colour = COLOURS[curve.model]
        ax.fill_between(curve.strengths, curve.lower, curve.upper, color=colour, alpha=0.18, linewidth=0)
        ax.plot(
            curve.strengths,
            curve.mean,
            color=colour,
            linestyle=_STYLES[curve.inputs],
            linewidth=2,
            marker=_MARKERS[curve.inputs],
            markersize=3.6,
            label=label_of(curve.model, curve.inputs),
            gid=f"curve-{curve.model}-{curve.inputs}",
        )
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.set_ylim(bottom=0)
    if sigma_half is not None:
        ax.axvline(sigma_half, color=INK, linewidth=1, linestyle=(0, (1, 2)), gid="sigma-half", zorder=1)
        ax.annotate(
            f"σ½ = {sigma_half:.3g}",
            (sigma_half, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-5, -4),
            textcoords="offset points",
            ha="right",
            va="top",
            color=INK,
            fontsize=_FONT,
        )
    _dress(ax, xlabel="strength σ of the noise (pixels run from 0 to 1)", ylabel="mean W  (0: one label only)")
    return ax


def plot_distribution(w_at_half: Mapping[str, Sequence[float]], ax: Axes) -> Axes:
    """Plot the share of inputs with W at most x, at sigma-half, for each combination of model and inputs.

    The bars left of zero show the inputs with W exactly 0, for which every draw gave the same label. The line of a
    combination starts at the height of its bar.
    """
    from matplotlib.ticker import PercentFormatter

    given = [(m, i, w_at_half[f"{m}/{i}"]) for m, i in COMBINATIONS if w_at_half.get(f"{m}/{i}")]
    right = max([max(values) for _, _, values in given], default=0.0) or 1.0
    zone = 0.26 * right
    for place, (model, inputs, values) in enumerate(given):
        steps, counts = np.unique(np.asarray(values, dtype=float), return_counts=True)
        share = np.cumsum(counts) / counts.sum()
        zero = float(share[0]) if steps[0] < 1e-12 else 0.0
        line: dict[str, Any] = {"color": COLOURS[model], "linestyle": _STYLES[inputs], "linewidth": 2}
        at = zone * (0.225 * place - 0.87)
        ax.plot([at, at], [0, zero], gid=f"zeros-{model}-{inputs}", **line)
        ax.plot([at], [zero], color=COLOURS[model], marker=_MARKERS[inputs], markersize=5, clip_on=False)
        if not is_narrow(ax):
            ax.annotate(
                f"{zero:.0%}",
                (at, zero),
                xytext=(0, 5),
                textcoords="offset points",
                ha="center",
                color=INK,
                fontsize=8.5,
                annotation_clip=False,
            )
        ax.plot(
            np.concatenate([[0.0], steps, [right]]),
            np.concatenate([[zero], share, [1.0]]),
            drawstyle="steps-post",
            label=label_of(model, inputs),
            gid=f"distribution-{model}-{inputs}",
            **line,
        )
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_xlim(-zone, right)
    ax.set_ylim(0, 1.06)
    ticks = [t for t in ax.xaxis.get_major_locator().tick_values(0, right) if 0 < t <= right]
    ax.set_xticks([-0.53 * zone, *ticks], ["exactly 0", *(f"{t:g}" for t in ticks)])
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    _dress(ax, xlabel="W at σ½", ylabel="share of inputs whose W is at most this value")
    return ax


def plot_examples(examples: Sequence[Example], figure: Figure, *, class_names: Sequence[str] = ()) -> Figure:
    """Plot one row per example: the input and its noisy copies, each with the label that the model predicts for it."""
    columns = 1 + max((len(e.labels) for e in examples), default=0)
    grid = figure.subplots(max(1, len(examples)), columns, squeeze=False)
    for ax in grid.ravel():
        ax.set_axis_off()
    for row, example in zip(grid, examples, strict=False):
        pictures = [example.image.array(), *example.noisy.array()]
        for ax, picture, label in zip(row, pictures, (example.base_label, *example.labels), strict=False):
            channels_last = picture.transpose(1, 2, 0)
            ax.imshow(
                channels_last if len(picture) == 3 else channels_last[:, :, 0],
                cmap="gray",
                vmin=0,
                vmax=255,
                interpolation="nearest",
            )
            changed = label != example.base_label
            weight = "bold" if changed else "normal"
            ax.text(
                0.5,
                -0.05,
                name_of(label, class_names),
                transform=ax.transAxes,
                ha="center",
                va="top",
                color=COLOURS["backdoored"] if changed else INK,
                fontsize=8,
                fontweight=weight,
                parse_math=False,
            )
        title = f"{label_of(example.model, example.inputs)}: W = {example.w:.2f}"
        # A blank title keeps room; the text stays out of the layout, or the first column would grow as wide as it.
        row[0].set_title(" ", fontsize=9)
        at = {"transform": row[0].transAxes, "va": "bottom"}
        row[0].text(0, 1.08, title, color=INK, fontsize=9, **at).set_in_layout(False)
    return figure


def name_of(label: int, class_names: Sequence[str]) -> str:
    """The name of a class; its number if the name is not known; "invalid" for -1.

    >>> name_of(1, ["shirt", "boot"]), name_of(3, []), name_of(-1, ["shirt"])
    ('boot', '3', 'invalid')
    """
    if label < 0:
        return "invalid"
    return class_names[label] if label < len(class_names) else str(label)


def _dress(ax: Axes, *, xlabel: str, ylabel: str) -> None:
    grey_axes(ax)
    ax.set_xlabel(xlabel, color=INK, fontsize=_FONT)
    ax.set_ylabel(ylabel, color=INK, fontsize=_FONT)
    ax.tick_params(labelsize=_FONT)
    narrow = is_narrow(ax)
    legend = ax.legend(
        loc="lower left",
        bbox_to_anchor=(-0.1 if narrow else -0.02, 1.0),
        ncols=1 if narrow else 2,
        frameon=False,
        fontsize=_FONT,
        handlelength=2.6,
        columnspacing=1.6,
        borderaxespad=0.3,
    )
    for text in legend.get_texts():
        text.set_color(INK)
