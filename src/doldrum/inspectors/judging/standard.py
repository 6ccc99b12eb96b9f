"""How far each model stands out from the others: the one score of which conformal p-values over models are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.judging.columns import Columns, columns

__all__ = ["Standing", "standings"]

_PRIOR = 10.0  # models whose spread a route is given beforehand: that of all routes of its kind
_LEAST_SPREAD = 0.05  # in units of the values, mostly logs of a size: what another seed of the search would change
_FEWEST = 3  # other models with a value, below which a route is compared with its kind


@dataclass(frozen=True)
class Standing:
    """How far one model stands out from the others: `score` is the largest of `by_name`, deviations in units of the others' spread."""

    score: float
    by_name: dict[tuple[str, Route], float]
    p_value: float | None = None
    """Without references: of the class that stands out most among the model's classes."""

    @property
    def most(self) -> tuple[str, Route] | None:
        """Inspector and route of the score."""
        return max(self.by_name, key=lambda name: self.by_name[name], default=None)


def standings(models: Sequence[Sequence[Reading]]) -> list[Standing]:
    """For each model, how far it stands out from all the others given: the same function of each, whatever their order.

    z = (v - mean of the others) / spread of the others, for every inspector and route; the spread is shrunk towards that of all routes of one kind.
    The score is the largest z. As each model is compared with the others by one symmetric rule, the scores of models that are exchangeable
    are exchangeable, and conformal p-values of them hold.

    Source: Vovk, Gammerman, Shafer, Algorithmic learning in a random world, 2005 (a nonconformity measure that is symmetric in the others).
    """
    table = columns(models)
    z = deviations(table)
    out: list[Standing] = []
    for row in z:
        told = {name: float(v) for name, v in zip(table.names, row, strict=True) if np.isfinite(v)}
        out.append(Standing(max(told.values(), default=-np.inf), told))
    return out


def deviations(table: Columns) -> NDArray[np.float64]:
    """z (M, J) of a table: each model against the others."""
    values, group = table.values, table.group
    z = np.full(values.shape, np.nan)
    for m in range(len(values)):
        others = np.delete(values, m, axis=0)
        count = np.isfinite(others).sum(axis=0)
        mean, spread = _moments(others)
        for g in np.unique(group):
            mine = group == g
            kind_mean, kind_var = _of_kind(others[:, mine], mean[mine])
            few = mine & (count < _FEWEST)
            mean[few] = kind_mean
            spread[mine] = np.where(
                count[mine] < _FEWEST,
                np.nanvar(others[:, mine]) if np.isfinite(others[:, mine]).any() else np.nan,
                (np.maximum(count[mine] - 1, 0) * spread[mine] + _PRIOR * kind_var)
                / (np.maximum(count[mine] - 1, 0) + _PRIOR),
            )
        z[m] = (values[m] - mean) / np.sqrt(np.maximum(spread, _LEAST_SPREAD**2))
    return z


def _moments(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of each column, NaN left out; 0 where there is too little."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axis=0) / np.maximum(count, 1)
    variance = (np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / np.maximum(count - 1, 1)
    return mean, variance


def _of_kind(values: NDArray[np.float64], mean: NDArray[np.float64]) -> tuple[float, float]:
    """Mean over all routes of a kind, and the variance within a route."""
    known = np.isfinite(values)
    if not known.any():
        return np.nan, np.nan
    within = np.where(known, values - mean, 0.0) ** 2
    freedom = np.maximum(known.sum(axis=0) - 1, 0).sum()
    return float(values[known].mean()), float(within.sum() / freedom) if freedom else float(values[known].var())
