"""The most unequal label distribution that the label counts allow (called `calm`), and the most equal one (called `wild`).

The limits hold at a stated level for every true label distribution p. Let P_m be the total probability of the m most
probable classes, and T_m the total count of the m classes with the largest counts.

- *Upper limits.* Which m classes are the most probable depends only on p, and not on the draws. The total count of the
  m most probable classes is at most T_m. So the Clopper-Pearson upper limit computed from T_m is an upper limit of P_m,
  for every K.
- *Lower limits.* Which m classes have the largest counts depends on the draws. So a limit is needed that is valid for
  all sets of m classes together: :func:`~doldrum.stats.proportions.sets_lower`. P_m is at least the probability of
  every set of m classes.

Only a few m get limits. With probability at most alpha / 2, one or more upper limits are wrong; with probability at
most alpha / 2, one or more lower limits are wrong. So with probability at least 1 - alpha, all limits l_m <= P_m <= u_m
are right. P_m is a concave function of m, with P_0 = 0 and P_K = 1. So P_m is above the straight lines between the
lower limits l_m. If a size m has no limits of its own, the upper limits u_t and u_s of other sizes limit P_m: P_m <=
u_t for every t >= m, and P_m <= u_s m / s for every s <= m. So P_m is between two curves: the least concave majorant of
the lower limits, and the least concave majorant of the upper limits. The steps of each curve are the probabilities of a
distribution. The true distribution majorizes `wild`, which comes from the lower limits, and is majorized by `calm`,
which comes from the upper limits. The entropy and the collision statistic are Schur-concave: they decrease when a
distribution becomes more unequal in the order of majorization. So the entropy of `calm` is a lower limit of the true
entropy, and the entropy of `wild` an upper limit, for every p. In the same way, `calm` and `wild` give limits of the
collision statistic.

A simpler method would compute one Clopper-Pearson interval at alpha / K for each class. This module's limits use sums
over classes, and are almost always tighter than one interval per class. With more classes, this module's limits become
only a little wider. The observed proportions satisfy all limits, so the plug-in value is always between the lower and
the upper limit.

Source: Marshall, Olkin, Arnold, Inequalities: Theory of Majorization, 2011 (Schur-concavity). The limits themselves are
this project's.
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
    """The distributions `wild` and `calm` for each of R rows of counts.

    For `wild`, the K classes are divided into S steps, and all classes of a step have the same probability. `wild` (R,
    S) holds the total probability of each step, and `width` (S,) holds the number of classes in each step. `calm` (R, K)
    has one probability per class.
    """

    wild: NDArray[np.float64]
    width: NDArray[np.int64]
    calm: NDArray[np.float64]


def limit_distributions(rows: NDArray[np.int64], *, alpha: float) -> LimitDistributions:
    """The most equal (`wild`) and the most unequal (`calm`) distribution for counts (R, K).

    Each row of counts is sorted in descending order, and all rows have the same sum n >= 1. For every p, there are two
    possible errors, and each has a probability of at most alpha / 2. One error is that p does not majorize `wild`; the
    other is that `calm` does not majorize p.

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
    """The distribution of `calmest`, divided into steps of equally probable classes. The first array has each step's
    probability per class, and the second array has each step's width.

    The width of a step is its number of classes, which can be 0. Between two neighbouring `sizes`, the upper limit of
    P_m is the minimum of a straight line and a constant. So the least concave majorant of the upper limits is computed
    from few sizes m, even for a large K. At these sizes, the straight line or the constant begins or ends, or the line
    crosses the constant.
    """
    m = _where_it_bends(sizes, high, k)
    values = np.where(m == 0, 0.0, np.where(m == k, 1.0, _at_size(m, high, sizes)))
    ceiling = least_concave_majorant(m, values)
    width = np.diff(m, axis=1)
    return np.maximum(np.diff(ceiling, axis=1), 0.0) / np.maximum(width, 1), width


def _partial_sum_limits(
    rows: NDArray[np.int64], alpha: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """A few sizes m, and the lower and upper limits of P_m for these sizes, each of shape (R, number of sizes).

    With probability at least 1 - alpha / 2, all lower limits are right; with probability at least 1 - alpha / 2, all
    upper limits are right.
    """
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
    """Add P_0 = 0 before the first value of each row, and P_K = 1 after the last value."""
    return np.pad(values, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))


def _at_size(m: NDArray[np.int64], high: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Upper limits of P_m for the sizes `m` (R, S) from 1 to K - 1, computed from the limits `high` of a few `sizes`.

    The computation uses that P_m increases with m and that P_m / m decreases.
    """
    rising, falling = _rising(high), np.minimum.accumulate(high / sizes, axis=1)
    above = np.take_along_axis(rising, np.searchsorted(sizes, m, side="left"), axis=1)
    below = np.take_along_axis(falling, np.maximum(np.searchsorted(sizes, m, side="right") - 1, 0), axis=1) * m
    return np.minimum(above, below)


def _rising(high: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.minimum.accumulate(np.pad(high, ((0, 0), (0, 1)), constant_values=1.0)[:, ::-1], axis=1)[:, ::-1]


def _where_it_bends(sizes: NDArray[np.int64], high: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """The sizes m at which the upper limit of P_m, as a function of m, can have a corner. The array (R, S) of sizes is
    sorted.

    The upper limit can have a corner at m = 0, at m = K, and at the given `sizes`. Between two neighbouring `sizes`,
    the upper limit is the minimum of a straight line and a constant. So between two neighbouring `sizes`, there can be
    corners at the first m, at the last m, and where the straight line crosses the constant.
    """
    ends = np.append(sizes, k)
    wide = np.flatnonzero(np.diff(ends) > 1)
    first, last = ends[wide] + 1, ends[wide + 1] - 1
    crossing = _rising(high)[:, wide + 1] / np.minimum.accumulate(high / sizes, axis=1)[:, wide]
    inner = [np.clip(f(crossing), first, last).astype(np.int64) for f in (np.floor, np.ceil)]
    fixed = np.concatenate([[0], ends, first, last])
    return np.sort(np.concatenate([np.broadcast_to(fixed, (len(high), len(fixed))), *inner], axis=1), axis=1)


def least_concave_majorant(x: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest concave function of x that is nowhere below `values` (R, S), evaluated at x.

    x has the shape (S,) or (R, S) and must not decrease. If two entries of x are equal, their values must be equal too.
    The algorithm is a monotone chain over all rows at once. The points are added one by one, and every point below a
    straight line between two other points is removed.

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
    """The sizes m < K that get limits: all m up to 12, and then m at growing distances.

    Only a few sizes get limits, because each size uses up a share of alpha.

    >>> limited_sizes(5).tolist()
    [1, 2, 3, 4]
    """
    sizes: list[int] = []
    m = 1
    while m < k:
        sizes.append(m)
        m = m + 1 if m < 12 else round(m * 1.2)
    return np.array(sizes, dtype=np.int64)
