"""A score for how far each model stands out from other models. A model gets its conformal p-value from the comparison
of its score with the scores of reference models."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.route import Route
from doldrum.stats.standings import deviations

__all__ = ["Standing", "standings"]

_LEAST = 0.05  # the least spread, in units of the values, mostly logs of a size: what another seed of the search would change


@dataclass(frozen=True)
class Standing:
    """How far one model stands out from the others.

    `by_name` has, for each inspector and route, the deviation of the model's value from the other models' values, in
    units of their spread. `score` is the largest of these deviations.
    """

    score: float
    by_name: dict[tuple[str, Route], float]
    p_value: float | None = None
    """The p-value of the class that stands out most among the model's classes. This p-value is used only if there are
    no references."""

    @property
    def most(self) -> tuple[str, Route] | None:
        """The inspector and route with the largest deviation."""
        return max(self.by_name, key=lambda name: self.by_name[name], default=None)

    def most_among(self, inspectors: Collection[str]) -> tuple[str, Route] | None:
        """Of the inspectors named in `inspectors`, the inspector and route with the largest deviation."""
        return max((n for n in self.by_name if n[0] in inspectors), key=lambda name: self.by_name[name], default=None)


def standings(models: Sequence[Sequence[Reading]]) -> list[Standing]:
    """Calculate, from the readings of several models, how far each model stands out from all the others.

    The same function is applied to each model, and the order of the models has no effect. A model's score is its
    largest deviation (:func:`doldrum.stats.standings.deviations`) over inspectors and routes.

    Source: Vovk, Gammerman, Shafer, Algorithmic learning in a random world, 2005 (a nonconformity measure that is symmetric in the others).
    """
    values = [{(one.inspector, route): v for one in readings for route, v in one.values.items()} for readings in models]
    found = deviations(values, kind=_kind, least=_LEAST)
    return [Standing(max(told.values(), default=-np.inf), told) for told in found]


def _kind(name: tuple[str, Route]) -> tuple[str, bool, bool]:
    """The kind of a value: the inspector's name, whether the route has no source class, and whether the route has no
    target class."""
    inspector, route = name
    return inspector, route.source is None, route.target is None
