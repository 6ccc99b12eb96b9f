"""The calmest and the wildest label distribution that the counts allow, at a stated rate, for every p.

Let P_m be the total probability of the m most probable classes and T_m the total count of the m most seen.

- *Upper limits.* The m most probable classes are a set fixed by p. Its count is at most T_m, so the Clopper-Pearson
  limit of T_m bounds P_m: no penalty for choosing, whatever K is.
- *Lower limits.* The m most seen classes are chosen by the draws; :func:`~doldrum.stats.proportions.sets_lower` holds
  for all sets of m classes at once, and P_m is at least the probability of any of them.

Spending alpha / 2 on each side over a few m, all limits l_m <= P_m <= u_m hold together with probability at least
1 - alpha. P is concave in m with P_0 = 0 and P_K = 1. So it is above the straight lines between the l_m, and
for every m, limited or not, P_m <= u_t for t >= m and P_m <= u_s m / s for s <= m. Hence P is above the least concave
majorant of the l_m and below that of the upper limits so completed. The steps of the two majorants are two
distributions; the true one majorizes the first and is majorized by the second. Entropy and collision statistic fall as a
distribution becomes more unequal in that order (they are Schur-concave), so their values at the two are limits that
hold for every p.

Against a box of Clopper-Pearson intervals at alpha / K a class, this is tighter nearly everywhere: it uses that errors
of classes add up, and pays little for K. The counts' own proportions satisfy all limits, so the plug-in value is
always between the two.

Source: Marshall, Olkin, Arnold, Inequalities: Theory of Majorization, 2011 (Schur-concavity); the the limits are this project's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doldrum.stats.proportions import clopper_pearson, sets_lower

__all__ = [
    "LimitDistributions",
    "calmest",
    "calmest_steps",
    "least_concave_majorant",
    "limit_distributions",
    "limited_sizes",
]


@dataclass(frozen=True, eq=False)
class LimitDistributions:
    """`wild` (R, S): a probability in each of S steps, spread evenly over `width` (S,) classes; `calm` (R, K)."""

    wild: NDArray[np.float64]
    width: NDArray[np.int64]
    calm: NDArray[np.float64]


def limit_distributions(rows: NDArray[np.int64], *, alpha: float) -> LimitDistributions:
    """The wildest and the calmest distribution for sorted counts (R, K) that share one n >= 1.

    A fixed p fails to majorize `wild` with probability at most alpha / 2, and in the same way to be majorized by `calm`.

    >>> limits = limit_distributions(np.array([[10, 0, 0]]), alpha=0.1)
    >>> limits.wild.round(3).tolist(), limits.width.tolist(), limits.calm.tolist()
    ([[0.699, 0.15, 0.15]], [1, 1, 1], [[1.0, 0.0, 0.0]])
    """
    k = rows.shape[1]
    sizes, low, high = _partial_sum_limits(rows, alpha)
    ends = np.concatenate([[0], sizes, [k]])
    floor = least_concave_majorant(ends, _between_0_and_1(low))
    wild = np.maximum(np.diff(floor, axis=1), 0.0)
    return LimitDistributions(wild, np.diff(ends), calmest(sizes, high, k))


def calmest(sizes: NDArray[np.int64], high: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """A distribution (R, K) that majorizes every p whose P_m, for m in `sizes`, are at most `high` (R, len(sizes)).

    >>> calmest(np.array([1]), np.array([[0.6]]), 3).round(3).tolist()
    [[0.6, 0.4, 0.0]]
    """
    steps, width = calmest_steps(sizes, high, k)
    return np.repeat(steps.ravel(), width.ravel()).reshape(len(high), k)


def calmest_steps(
    sizes: NDArray[np.int64], high: NDArray[np.float64], k: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The distribution of `calmest` as steps: the probability of each class of a step, and how many classes it has (0 or more).

    Between two sizes the limit is the lower of a line and a constant, so its majorant needs only where they begin, cross
    and end: few points, whatever K is.
    """
    m = _where_it_bends(sizes, high, k)
    values = np.where(m == 0, 0.0, np.where(m == k, 1.0, _at_size(m, high, sizes)))
    ceiling = least_concave_majorant(m, values)
    width = np.diff(m, axis=1)
    return np.maximum(np.diff(ceiling, axis=1), 0.0) / np.maximum(width, 1), width


def _partial_sum_limits(
    rows: NDArray[np.int64], alpha: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Some m, and l_m and u_m (R, len(m)) with l_m <= P_m <= u_m for all of them, each side but alpha / 2 of the time."""
    k, n = rows.shape[1], int(rows[0].sum())
    sizes = limited_sizes(k)
    # Most of alpha goes to m = 1, on which calm inputs depend: they are what W is measured for.
    weights = 1.0 / np.arange(1, len(sizes) + 1) ** 2
    weights /= weights.sum()
    seen = np.cumsum(rows, axis=1)[:, sizes - 1]
    low, high = np.zeros(seen.shape), np.ones(seen.shape)
    for j, (size, weight) in enumerate(zip(sizes.tolist(), weights.tolist(), strict=True)):
        a = alpha / 2 * weight
        counts, where = np.unique(seen[:, j], return_inverse=True)
        low[:, j] = sets_lower(counts, n, size=size, num_classes=k, alpha=a)[where]
        high[:, j] = clopper_pearson(counts, n, alpha=a, side="upper")[1][where]
    return sizes, low, high


def _between_0_and_1(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """With P_0 = 0 and P_K = 1 put around."""
    return np.pad(values, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))


def _at_size(m: NDArray[np.int64], high: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Upper limits of P_m, m (R, S) from 1 to K - 1, from those at some sizes: P rises, and P_m / m falls."""
    rising, falling = _rising(high), np.minimum.accumulate(high / sizes, axis=1)
    above = np.take_along_axis(rising, np.searchsorted(sizes, m, side="left"), axis=1)
    below = np.take_along_axis(falling, np.maximum(np.searchsorted(sizes, m, side="right") - 1, 0), axis=1) * m
    return np.minimum(above, below)


def _rising(high: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.minimum.accumulate(np.pad(high, ((0, 0), (0, 1)), constant_values=1.0)[:, ::-1], axis=1)[:, ::-1]


def _where_it_bends(sizes: NDArray[np.int64], high: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """0, the sizes, K, and between two of them the first and last m and those around the crossing, sorted (R, S)."""
    ends = np.append(sizes, k)
    wide = np.flatnonzero(np.diff(ends) > 1)
    first, last = ends[wide] + 1, ends[wide + 1] - 1
    crossing = _rising(high)[:, wide + 1] / np.minimum.accumulate(high / sizes, axis=1)[:, wide]
    inner = [np.clip(f(crossing), first, last).astype(np.int64) for f in (np.floor, np.ceil)]
    fixed = np.concatenate([[0], ends, first, last])
    return np.sort(np.concatenate([np.broadcast_to(fixed, (len(high), len(fixed))), *inner], axis=1), axis=1)


def least_concave_majorant(x: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The least concave function of x (S,) or (R, S) above values (R, S), at the same x; x never falls, equal x have equal values.

    Monotone chain, all rows at a time: each point in turn drops those before it that it leaves under a chord.

    >>> least_concave_majorant(np.array([0, 1, 2, 4]), np.array([[0.0, 0.1, 0.8, 1.0]])).round(3).tolist()
    [[0.0, 0.4, 0.8, 1.0]]
    """
    rows, points = values.shape
    x = np.broadcast_to(x, values.shape)
    corner = np.zeros((rows, points), dtype=np.intp)  # columns of the corners so far, `size` of them a row
    size = np.ones(rows, dtype=np.intp)
    for j in range(1, points):
        live = np.flatnonzero(size >= 2)
        while len(live):
            middle, before = corner[live, size[live] - 1], corner[live, size[live] - 2]
            top = values[live, middle]
            at = x[live, middle]
            under = (top - values[live, before]) * (x[live, j] - at) <= (values[live, j] - top) * (at - x[live, before])
            live = live[under]
            size[live] -= 1
            live = live[size[live] >= 2]
        corner[np.arange(rows), size] = j
        size += 1
    kept = np.zeros((rows, points), dtype=bool)
    column = np.arange(points, dtype=np.intp)
    row, place = np.nonzero(column < size[:, None])
    kept[row, corner[row, place]] = True
    left = np.maximum.accumulate(np.where(kept, column, 0), axis=1)
    right = np.minimum.accumulate(np.where(kept, column, points - 1)[:, ::-1], axis=1)[:, ::-1]
    start, end = (np.take_along_axis(values, i, axis=1) for i in (left, right))
    x0, x1 = (np.take_along_axis(x, i, axis=1) for i in (left, right))
    return start + (end - start) * (x - x0) / np.maximum(x1 - x0, 1)


def limited_sizes(k: int) -> NDArray[np.int64]:
    """The m that get limits: every one up to 12, then ever fewer, below K; few, because each costs a share of alpha.

    >>> limited_sizes(5).tolist()
    [1, 2, 3, 4]
    """
    sizes: list[int] = []
    m = 1
    while m < k:
        sizes.append(m)
        m = m + 1 if m < 12 else round(m * 1.2)
    return np.array(sizes, dtype=np.int64)
