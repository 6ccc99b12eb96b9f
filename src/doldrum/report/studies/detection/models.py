"""Group the cells of study detection by data set and training recipe; numbers are not averaged over several data sets or recipes."""

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
    """The models of one data set and one training recipe; `changes` are changes to the recipe, such as `network`."""

    data: str
    recipe: str
    changes: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The name of these models in tables, figures and sentences.

        >>> Models("digits 1:10", "digits-mlp", (("network", "mlp"),)).name
        'digits 1:10, recipe digits-mlp, network mlp'
        """
        return ", ".join([self.data, f"recipe {self.recipe}", *(f"{k} {v}" for k, v in self.changes)])

    @property
    def slug(self) -> str:
        """The name in a form that is safe in file names.

        >>> Models("digits 1:10", "digits-mlp").slug
        'digits-1-10-recipe-digits-mlp'
        """
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


def grouped(cells: Iterable[CellRecord]) -> dict[Models, list[CellRecord]]:
    """Group cells by data set and recipe, the largest group first.

    The number of threads does not count as a change of the recipe.
    """
    by: dict[Models, list[CellRecord]] = {}
    for c in cells:
        changes = {k: v for k, v in c.cell.get("changes", {}).items() if k != "threads"}
        models = Models(c.cell["data"], c.cell["recipe"], tuple((k, _plain(changes[k])) for k in sorted(changes)))
        by.setdefault(models, []).append(c)
    return dict(sorted(by.items(), key=lambda item: -len(item[1])))


def labelled(section: Section, models: Models, *, first: bool, alone: bool) -> Section:
    """A copy of a section in which the captions of all figures and tables name the models.

    If `alone` is true, the page is about these models only, and the title does not name the models. If `first` is true,
    these models are the first on the page, and the names of the figure files do not name the models.
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
    """How many times more training images the first class has than the last, from the name of the data set.

    >>> ratio_of("fashion-mnist 1:100"), ratio_of("digits")
    (100, 1)
    """
    _, found, ratio = data.partition(" 1:")
    return int(ratio) if found else 1


def without_ratio(models: Models) -> Models:
    """The corresponding models that are trained on the same data set with balanced classes, that is, without an
    imbalance ratio.

    >>> without_ratio(Models("digits 1:10", "digits-mlp")).data
    'digits'
    """
    return replace(models, data=models.data.partition(" 1:")[0])


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
