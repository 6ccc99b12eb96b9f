"""How far each of several objects (such as models) differs from all the others, in many values at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["deviations"]

Key = TypeVar("Key", bound=Hashable)
_PRIOR = 10.0  # objects whose variance a figure is given beforehand: the mean one of its kind
_AT_ONCE = 1 << 16  # values that are handled at once: with more, they leave the cache
_FEWEST = 3  # others with a value, below which a figure is compared with its kind


def deviations(
    objects: Sequence[Mapping[Key, float]], *, kind: Callable[[Key], Hashable], least: float
) -> list[dict[Key, float]]:
    """z = (v - mean of the other objects) / spread of the other objects, for each named value v of each object.

    The names of the values are grouped into kinds. The variance s_j^2 of the other objects' values is shrunk towards
    s_kind^2, the mean variance over the names of the same kind. The result is s^2 = ((n - 1) s_j^2 + 10 s_kind^2) /
    (n - 1 + 10), where n is the number of other objects that have the value. If fewer than 3 other objects have the
    value, the mean and the variance of all values of the same kind are used.

    Every object is compared with all other objects by the same rule, which does not depend on the order of the objects.
    Suppose that the objects are exchangeable. Then any function of an object's deviations, such as the largest
    deviation, is exchangeable too. So conformal p-values that are computed from such a function are valid.

    Parameters
    ----------
    objects : mappings from a name to a value; values that are missing or not finite are left out
    kind : a function that returns the kind of a value, given the value's name
    least : the smallest allowed spread, in units of the values; a smaller spread is replaced by this one

    Returns
    -------
    list of dict
        A dictionary for each object, with the name and the deviation of each of its finite values. A value that cannot
        be compared with values of other objects is left out.

    >>> found = deviations([{"a": 9.0}, {"a": 1.0}, {"a": 2.0}, {"a": 3.0}], kind=lambda name: 0, least=0.1)
    >>> [round(one["a"], 2) for one in found]
    [7.0, -0.97, -0.56, -0.23]
    """
    if not objects:
        return []
    names = list(dict.fromkeys(name for one in objects for name in one))
    values = np.array([[float(one.get(name, np.nan)) for name in names] for one in objects], dtype=np.float64)
    values = values.reshape(len(objects), len(names))
    values[~np.isfinite(values)] = np.nan
    kinds = {k: i for i, k in enumerate(dict.fromkeys(map(kind, names)))}
    group = np.array([kinds[kind(name)] for name in names], dtype=np.int64)
    out: list[dict[Key, float]] = []
    everyone = np.arange(len(objects))
    at_once = max(1, _AT_ONCE // max(1, values.size))
    for some in np.split(everyone, everyone[at_once::at_once]):
        others = np.array([np.delete(everyone, m) for m in some])
        mean, variance = _moments(values[others], group)
        z = (values[some] - mean) / np.sqrt(np.maximum(variance, least**2))
        out += [{name: float(v) for name, v in zip(names, row, strict=True) if np.isfinite(v)} for row in z]
    return out


def _moments(values: NDArray[np.float64], group: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean and the shrunken variance of the values in each of J columns, for each of M tables of shape (N, J).

    The shape of both results is (M, J). A column gets NaN if no column of its kind has a finite value.
    """
    known = np.isfinite(values)
    count = known.sum(axis=1)
    mean = np.where(known, values, 0.0).sum(axis=1) / np.maximum(count, 1)
    squares = (np.where(known, values - mean[:, None], 0.0) ** 2).sum(axis=1)
    freedom = np.maximum(count - 1, 0)
    variance = np.empty_like(mean)
    for g in np.unique(group):
        mine = group == g
        within = squares[:, mine].sum(axis=1) / np.maximum(freedom[:, mine].sum(axis=1), 1)
        variance[:, mine] = (squares[:, mine] + _PRIOR * within[:, None]) / (freedom[:, mine] + _PRIOR)
        few = mine & (count < _FEWEST)
        for m in np.flatnonzero(few.any(axis=1)):
            of_kind = values[m][:, mine][known[m][:, mine]]
            nothing = of_kind.size == 0
            mean[m, few[m]], variance[m, few[m]] = (np.nan, np.nan) if nothing else (of_kind.mean(), of_kind.var())
    return mean, variance
