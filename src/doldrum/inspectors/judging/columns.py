"""Readings of several models as one table of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.route import Route

__all__ = ["Columns", "columns"]


@dataclass(frozen=True)
class Columns:
    """`values` (M, J): a row a model, a column for each inspector and route, NaN where there is none. `names[j]` says which, and `group` (J,) is
    one number for all routes of an inspector that are of one kind: to a class, away from one, from anywhere to anywhere.
    """

    values: NDArray[np.float64]
    names: tuple[tuple[str, Route], ...]
    group: NDArray[np.int64]


def columns(models: Sequence[Sequence[Reading]]) -> Columns:
    """The table of the readings of each model."""
    names = sorted(
        {(one.inspector, route) for readings in models for one in readings for route in one.values},
        key=lambda name: (name[0], *(-1 if c is None else c for c in (name[1].source, name[1].target))),
    )
    place = {name: j for j, name in enumerate(names)}
    values = np.full((len(models), len(names)), np.nan)
    for m, readings in enumerate(models):
        for one in readings:
            for route, value in one.values.items():
                values[m, place[one.inspector, route]] = value
    kinds = [(inspector, route.source is None, route.target is None) for inspector, route in names]
    known = {kind: g for g, kind in enumerate(dict.fromkeys(kinds))}
    return Columns(values, tuple(names), np.array([known[kind] for kind in kinds], dtype=np.int64))
