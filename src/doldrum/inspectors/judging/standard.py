"""A score for how far each model stands out from other models. The score is used for conformal p-values over models."""

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

    `by_name` has the deviation of each inspector and route, in units of the spread over the other models. `score` is
    the largest deviation.
    """

    score: float
    by_name: dict[tuple[str, Route], float]
    p_value: float | None = None
    """Used without references: the p-value of the class that stands out most among the model's classes."""

    @property
    def most(self) -> tuple[str, Route] | None:
        """The inspector and route with the largest deviation."""
        return max(self.by_name, key=lambda name: self.by_name[name], default=None)

    def most_among(self, inspectors: Collection[str]) -> tuple[str, Route] | None:
        """The inspector and route with the largest deviation, among the given inspectors."""
        return max((n for n in self.by_name if n[0] in inspectors), key=lambda name: self.by_name[name], default=None)


def standings(models: Sequence[Sequence[Reading]]) -> list[Standing]:
    """How far each model stands out from all the other given models, computed from their readings.

    The same function is used for each model, and the order of the other models has no effect. The score is the largest
    deviation (:func:`doldrum.stats.standings.deviations`) over inspectors and routes.

    Source: Vovk, Gammerman, Shafer, Algorithmic learning in a random world, 2005 (a nonconformity measure that is symmetric in the others).
    """
    values = [{(one.inspector, route): v for one in readings for route, v in one.values.items()} for readings in models]
    found = deviations(values, kind=_kind, least=_LEAST)
    return [Standing(max(told.values(), default=-np.inf), told) for told in found]


def _kind(name: tuple[str, Route]) -> tuple[str, bool, bool]:
    """The kind of a value: the inspector, and whether the route has a source class and a target class."""
    inspector, route = name
    return inspector, route.source is None, route.target is None
