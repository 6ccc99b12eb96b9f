"""Functions that the figures of all pages share.

Lines and text are mid grey, and backgrounds are transparent. So a saved figure is readable on light and on dark pages.
HTML pages replace the colours in `COLOURS` and `INK` with CSS custom properties.
"""

from __future__ import annotations

import io
import os
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doldrum.files import write_text_whole, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "INK",
    "bare_axes",
    "grey_axes",
    "inline_svg",
    "is_narrow",
    "name_rows",
    "new_figure",
    "save_figure",
    "svg_text",
]

COLOURS = {"clean": "#2b7bba", "backdoored": "#d9601a"}
"""The colour of each model: a blue and an orange that people with any common colour blindness can distinguish."""
INK = "#7b7b7b"
"""The colour of text, axes and reference lines; its contrast is above 4 on white and on black."""


def new_figure(width: float = 7.2, height: float = 4.0) -> Figure:
    """An empty figure (inches) with a transparent background, outside pyplot's global state.

    >>> new_figure(4, 3).get_size_inches().tolist()
    [4.0, 3.0]
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    return figure


def is_narrow(ax: Axes) -> bool:
    """Whether these axes are in the narrow version of a figure, which is made for phones."""
    figure = ax.get_figure(root=True)
    return figure is not None and figure.get_size_inches()[0] < 5


def bare_axes(ax: Axes, *, xlabel: str, ylabel: str = "") -> None:
    """Make axes grey, and set their labels; in the narrow figure for phones, a long label takes two lines."""
    grey_axes(ax)
    ax.set_xlabel(textwrap.fill(xlabel, 30) if is_narrow(ax) else xlabel, color=INK)
    ax.set_ylabel(ylabel, color=INK)


def grey_axes(ax: Axes) -> None:
    """Make axes grey on a transparent background, so that they are readable on light and on dark pages."""
    ax.patch.set_alpha(0)
    ax.tick_params(colors=INK, length=3)
    ax.grid(True, color=INK, alpha=0.22, linewidth=0.7)
    ax.set_axisbelow(True)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Label the rows of a figure with names, the first name at the top.

    In the narrow figure for phones, long names take two lines.
    """
    width = 22 if is_narrow(ax) else 60
    ax.set_yticks(range(len(names)), [textwrap.fill(n, width) for n in names])
    ax.set_ylim(len(names) - 0.4, -0.6)


def inline_svg(drawings: list[Any], *, name: str, alt: str) -> Any:
    """The wide and the narrow version of a figure as inline SVG. The style sheet shows only one of the two versions."""
    from markupsafe import Markup, escape

    parts = []
    for figure, kind in zip(drawings, ("wide", "narrow"), strict=True):
        text = svg_text(figure, salt=f"{name}-{kind}")
        text = text[text.index("<svg") :]
        view = re.search(r'viewBox="[^"]*"', text)
        body = text[text.index(">") + 1 :]
        # Ids are made unique on the page, and colours follow the page's light or dark scheme.
        body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-{kind}-", body)
        body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
        for colour, variable in [*((c, f"var(--{m})") for m, c in COLOURS.items()), (INK, "var(--muted)")]:
            body = body.replace(colour, variable)
        view_box = view.group(0) if view else ""
        parts.append(f'<svg class="{kind}" {view_box} role="img" aria-label="{escape(alt)}">{body}')
    return Markup("\n".join(parts))


def svg_text(figure: Figure, *, salt: str = "doldrum") -> str:
    """The figure as an SVG document. Letters are saved as text, not as outlines, and the same figure always gives the same bytes."""
    import matplotlib

    buffer = io.StringIO()
    blank: dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=blank)
    return buffer.getvalue()


def save_figure(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 200) -> Path:
    """Write the figure to `path` with a transparent background, in the format of the file's ending (svg, png, pdf)."""
    target = Path(path)
    if target.suffix == ".svg":
        return write_text_whole(target, svg_text(figure))
    drawn = io.BytesIO()
    figure.savefig(drawn, format=target.suffix[1:], dpi=dpi, transparent=True)
    return write_whole(target, lambda draft: draft.write_bytes(drawn.getvalue()))
