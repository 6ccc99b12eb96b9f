"""Find the page of a study by the study's name, and render it. The content of the page comes from the study's own folder."""

from __future__ import annotations

import csv
import errno
import importlib
import io
import pkgutil
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from doldrum.errors import InputError
from doldrum.files import write_text_whole
from doldrum.records.study import StudyRecords, read_study
from doldrum.report import studies as folders
from doldrum.report.figures import inline_svg, new_figure, save_figure
from doldrum.report.shell import page_environment
from doldrum.report.studies.parts import StudyFigure, StudyPage
from doldrum.report.words import plain_value

__all__ = ["render_study", "study_page", "write_report"]


def study_page(records: StudyRecords) -> StudyPage:
    """The content of a study's page: the result of `page(records)` in doldrum/report/studies/NAME/page.py.

    Raises InputError if the study has no report, or no finished cell.
    """
    name = records.manifest.study
    if not records.cells:
        failed = [f"none, and {len(records.failures)} failed ({records.failures[0].error})"] if records.failures else []
        do = (
            f"fix the error, and run the same doldrum study {name} command again"
            if failed
            else f"run doldrum study {name} first"
        )
        raise InputError(f"expected at least one finished cell of {name}, got {failed[0] if failed else 'none'}; {do}")
    if name not in [found.name for found in pkgutil.iter_modules(folders.__path__) if found.ispkg]:
        raise InputError(f"expected a study that has a report, got {name!r}; read its records instead")
    module = importlib.import_module(f"{folders.__name__}.{name}.page")
    try:
        return module.page(records)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise InputError(
            f"expected records of the study {name} in the format of this release of doldrum, got records that the page can't read "
            f"({type(error).__name__}: {error}); run the study again in another folder"
        ) from error


def write_report(folder: str | Path) -> Path:
    """Write a study's report into its folder, and return the path of report.html.

    The figures are written to figures/NAME.svg and .png, and the tables to tables/NAME.csv.
    """
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
            f"expected a folder that can be written to, got {error}; copy the folder, and run doldrum report on the copy"
        ) from error


def render_study(records: StudyRecords, page: StudyPage) -> str:
    """The page as one HTML document, which contains its styles and figures, and has no scripts. All text is escaped."""
    environment = page_environment("doldrum.report.studies")
    environment.filters |= {"plain": plain_value, "lines": cell_lines}
    drawn = {f.name: _drawings(f) for section in page.sections for f in section.figures}
    seeds = sorted({int(c.cell["seed"]) for c in records.cells if "seed" in c.cell})
    return environment.get_template("study.html.j2").render(
        page=page, records=records, drawn=drawn, seeds=", ".join(map(str, seeds)),
        hours=sum(c.seconds for c in records.cells) / 3600,
    )  # fmt: skip


def cell_lines(text: str) -> Any:
    """Convert the text of a table cell to HTML. If the text ends with a part in brackets, this part gets its own line.
    Line breaks are kept.

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
