"""Parts: what a study's page is made of. A study's own `page(records)` puts them together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Section", "StudyFigure", "StudyPage", "StudyTable"]


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
    has tables by name, one mapping per row.
    """

    title: str
    headline: str
    lede: Sequence[str]
    sections: Sequence[Section]
    numbers: Mapping[str, Any]
    csv: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
