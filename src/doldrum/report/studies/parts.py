"""The parts of a study's page: figures, tables and sections. The function `page(records)` of a study combines these parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Section", "StudyFigure", "StudyPage", "StudyTable"]


@dataclass(frozen=True)
class StudyFigure:
    """A figure of a study's page. `draw(ax)` draws the figure, `name` is the name of its file, and `alt` describes the figure in words."""

    name: str
    draw: Callable[[Axes], Any]
    caption: str
    alt: str
    height: float = 4.1


@dataclass(frozen=True)
class StudyTable:
    """A table of text with a row of headings, `head`; the first column has the names of the rows. A `folded` table is shown after a click."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """A section of a page: a heading, paragraphs, figures and tables."""

    title: str
    text: Sequence[str] = ()
    figures: Sequence[StudyFigure] = ()
    tables: Sequence[StudyTable] = ()


@dataclass(frozen=True)
class StudyPage:
    """The content of a study's report.

    `lede` holds the main results in words. `numbers` holds the main results as JSON-able values, for programs. `csv`
    holds tables by name, with one mapping per row.
    """

    title: str
    headline: str
    lede: Sequence[str]
    sections: Sequence[Section]
    numbers: Mapping[str, Any]
    csv: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
