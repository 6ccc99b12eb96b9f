"""Which data set and recipe a cell of study detection is about: figures of two are never put together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from doldrum.records.study import CellRecord
from doldrum.report.studies.parts import Section

__all__ = ["Models", "grouped", "labelled", "ratio_of", "without_ratio"]


@dataclass(frozen=True)
class Models:
    """The models of one data set and one recipe with its changes, `network` among them."""

    data: str
    recipe: str
    changes: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What tables, figures and sentences call them.

        >>> Models("digits 1:10", "digits-mlp", (("network", "mlp"),)).name
        'digits 1:10, recipe digits-mlp, network mlp'
        """
        return ", ".join([self.data, f"recipe {self.recipe}", *(f"{k} {v}" for k, v in self.changes)])

    @property
    def slug(self) -> str:
        """The name as part of a file's.

        >>> Models("digits 1:10", "digits-mlp").slug
        'digits-1-10-recipe-digits-mlp'
        """
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


def grouped(cells: Iterable[CellRecord]) -> dict[Models, list[CellRecord]]:
    """The cells of each data set and recipe, the one with the most cells first. The number of threads is no change of a recipe."""
    by: dict[Models, list[CellRecord]] = {}
    for c in cells:
        changes = {k: v for k, v in c.cell.get("changes", {}).items() if k != "threads"}
        models = Models(c.cell["data"], c.cell["recipe"], tuple((k, _plain(changes[k])) for k in sorted(changes)))
        by.setdefault(models, []).append(c)
    return dict(sorted(by.items(), key=lambda item: -len(item[1])))


def labelled(section: Section, models: Models, *, first: bool, alone: bool) -> Section:
    """A section whose figures and tables all name the models; so does its title where the page has others, and its figures' files
    where they aren't the page's first.
    """
    caption = f"{models.name}. "
    return replace(
        section,
        title=section.title if alone else f"{section.title}: {models.name}",
        figures=[
            replace(
                f,
                name=f.name if first else f"{f.name}-{models.slug}",
                caption=caption + f.caption,
                alt=f"{f.alt}; {models.name}",
            )
            for f in section.figures
        ],
        tables=[replace(t, caption=caption + t.caption) for t in section.tables],
    )


def ratio_of(data: str) -> int:
    """How many times as many training images the first class has as the last.

    >>> ratio_of("fashion-mnist 1:100"), ratio_of("digits")
    (100, 1)
    """
    _, found, ratio = data.partition(" 1:")
    return int(ratio) if found else 1


def without_ratio(models: Models) -> Models:
    """The models of the data set as it comes.

    >>> without_ratio(Models("digits 1:10", "digits-mlp")).data
    'digits'
    """
    return replace(models, data=models.data.partition(" 1:")[0])


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
