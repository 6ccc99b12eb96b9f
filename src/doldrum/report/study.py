"""A study's report: a page that each study composes of paragraphs, figures and tables, rendered here for all of them."""

from __future__ import annotations

import csv
import errno
import importlib
import io
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doldrum.errors import InputError
from doldrum.files import write_text_whole
from doldrum.records.study import StudyRecords, read_study
from doldrum.report import words
from doldrum.report.figures import INK, new_figure, save_figure
from doldrum.report.page import inline_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "Section",
    "StudyFigure",
    "StudyPage",
    "StudyTable",
    "bare_axes",
    "is_narrow",
    "name_rows",
    "render_study",
    "study_page",
    "write_report",
]


@dataclass(frozen=True)
class StudyFigure:
    """`draw(ax)` draws it; `name` is its file's, `alt` what it shows in words."""

    name: str
    draw: Callable[[Axes], Any]
    caption: str
    alt: str
    height: float = 4.1


@dataclass(frozen=True)
class StudyTable:
    """Rows of text under a head; the first column names the row. A `folded` one is shown when asked for."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """A heading, paragraphs, then figures and tables."""

    title: str
    text: Sequence[str] = ()
    figures: Sequence[StudyFigure] = ()
    tables: Sequence[StudyTable] = ()


@dataclass(frozen=True)
class StudyPage:
    """What a study's report says. `lede` is the answer in plain words; `numbers` the same for programs, JSON-able; `csv`
    has tables by name, one mapping a row.
    """

    title: str
    headline: str
    lede: Sequence[str]
    sections: Sequence[Section]
    numbers: Mapping[str, Any]
    csv: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


def study_page(records: StudyRecords) -> StudyPage:
    """The page of a study: `page(records)` of the module doldrum.report.study_NAME.

    Raises InputError where the study has no report, or no finished cell.
    """
    name = records.manifest.study
    if not records.cells:
        failed = [f"none, and {len(records.failures)} failed ({records.failures[0].error})"] if records.failures else []
        do = f"mend that and run the same doldrum study {name} again" if failed else f"run doldrum study {name} first"
        raise InputError(f"expected at least one finished cell of {name}, got {failed[0] if failed else 'none'}; {do}")
    try:
        module = importlib.import_module(f"doldrum.report.study_{name}")
    except ModuleNotFoundError as error:
        raise InputError(f"expected a study that has a report, got {name!r}; read its records instead") from error
    try:
        return module.page(records)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise InputError(
            f"expected records of {name} as this release writes them, got some that the page can't read "
            f"({type(error).__name__}: {error}); run the study anew in another folder"
        ) from error


def write_report(folder: str | Path) -> Path:
    """Write report.html, figures/NAME.svg and .png and tables/NAME.csv into a study's folder; returns the page's path."""
    folder = Path(folder)
    records = read_study(folder)
    page = study_page(records)
    html = render_study(records, page)
    try:
        for section in page.sections:
            for figure in section.figures:
                drawn = new_figure(7.4, figure.height)
                figure.draw(drawn.subplots())
                for ending in ("svg", "png"):
                    save_figure(drawn, folder / "figures" / f"{figure.name}.{ending}", dpi=150)
        for name, rows in page.csv.items():
            write_text_whole(folder / "tables" / f"{name}.csv", _csv(rows))
        return write_text_whole(folder / "report.html", html)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise InputError(
            f"expected a folder that can be written, got {error}; copy it, and report on the copy"
        ) from error


def render_study(records: StudyRecords, page: StudyPage) -> str:
    """The page as one HTML document, styles and figures inside, without scripts or requests; all text is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("doldrum.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"plain": words.plain_value, "lines": cell_lines}
    drawn = {f.name: _drawings(f) for section in page.sections for f in section.figures}
    seeds = sorted({int(c.cell["seed"]) for c in records.cells if "seed" in c.cell})
    return environment.get_template("study.html.j2").render(
        page=page, records=records, drawn=drawn, seeds=", ".join(map(str, seeds)),
        hours=sum(c.seconds for c in records.cells) / 3600,
    )  # fmt: skip


def cell_lines(text: str) -> Any:
    """A table's cell as HTML: what ends in brackets has them on a line of their own, and lines stay lines.

    >>> str(cell_lines("+0.1 (+0.0 to +0.2)")), str(cell_lines("a<b"))
    ('+0.1<span class="limits">(+0.0 to +0.2)</span>', 'a&lt;b')
    """
    from markupsafe import Markup, escape

    found = re.fullmatch(r"([^\n(\[]+) ([(\[][^()\[\]]+[)\]])", text)
    if found:
        return Markup('{}<span class="limits">{}</span>').format(*found.groups())
    return Markup("<br>").join(escape(line) for line in text.split("\n"))


def _drawings(figure: StudyFigure) -> Any:
    drawings = []
    for width, height in ((7.4, figure.height), (4.0, figure.height * 1.1)):
        drawn = new_figure(width, height)
        figure.draw(drawn.subplots())
        drawings.append(drawn)
    return inline_svg(drawings, name=figure.name, alt=figure.alt)


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    buffer = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(buffer, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """A row a name, the first at the top; on a phone's figure long names take two lines."""
    width = 22 if is_narrow(ax) else 60
    ax.set_yticks(range(len(names)), [textwrap.fill(n, width) for n in names])
    ax.set_ylim(len(names) - 0.4, -0.6)


def is_narrow(ax: Axes) -> bool:
    """Whether these axes are in the drawing for a phone."""
    figure = ax.get_figure(root=True)
    return figure is not None and figure.get_size_inches()[0] < 5


def bare_axes(ax: Axes, *, xlabel: str, ylabel: str = "") -> None:
    """Grey ink on no ground, which reads on light and on dark pages."""
    ax.patch.set_alpha(0)
    ax.set_xlabel(textwrap.fill(xlabel, 30) if is_narrow(ax) else xlabel, color=INK)
    ax.set_ylabel(ylabel, color=INK)
    ax.tick_params(colors=INK, length=3)
    ax.grid(True, color=INK, alpha=0.22, linewidth=0.7)
    ax.set_axisbelow(True)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
