"""The calmest and the wildest label distribution that the counts allow, at a stated rate, for every p.

Let P_m be the total probability of the m most probable classes and T_m the total count of the m most seen.

- *Upper limits.* The m most probable classes are a set fixed by p. Its count is at most T_m, so the Clopper-Pearson
  limit of T_m bounds P_m: no penalty for choosing, whatever K is.
- *Lower limits.* The m most seen classes are chosen by the draws; :func:`~doldrum.stats.proportions.sets_lower` holds
  for all sets of m classes at once, and P_m is at least the probability of any of them.

Spending alpha / 2 on each side over a few m, all limits l_m <= P_m <= u_m hold together with probability at least
1 - alpha. P is concave in m with P_0 = 0 and P_K = 1, so it lies above the least concave majorant of the l_m and below
that of the u_m. The steps of the two majorants are two distributions; the true one majorizes the first and is majorized
by the second. Entropy and collision statistic fall as a distribution becomes more unequal in that order (they are
Schur-concave), so their values at the two are limits that hold for every p.

Against a box of Clopper-Pearson intervals at alpha / K a class, this is tighter nearly everywhere: it uses that errors
of classes add up, and pays little for K. The counts' own proportions satisfy all limits, so the plug-in value is
always between the two.

Source: Marshall, Olkin, Arnold, Inequalities: Theory of Majorization, 2011 (Schur-concavity); the limits are ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doldrum.stats.proportions import clopper_pearson, sets_lower

__all__ = ["least_concave_majorant", "limit_distributions"]


def limit_distributions(
    rows: NDArray[np.int64], *, alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """The wildest and the calmest distribution for sorted counts (R, K) that share one n >= 1.

    Returns `wild` (R, S) and `calm` (R, S), a probability in each of S steps, and the number of classes (S,) that each
    step spreads its probability over, evenly. A fixed p is outside (majorized by `calm`, majorizing `wild`) with
    probability at most alpha; each side takes alpha / 2.

    >>> wild, calm, width = limit_distributions(np.array([[10, 0, 0]]), alpha=0.1)
    >>> wild.round(3).tolist(), calm.tolist(), width.tolist()
    ([[0.699, 0.15, 0.15]], [[1.0, 0.0, 0.0]], [1, 1, 1])
    """
    k, n = rows.shape[1], int(rows[0].sum())
    sizes = _sizes(k)
    weights = 1.0 / np.arange(1, len(sizes) + 1) ** 2
    weights /= weights.sum()
    seen = np.cumsum(rows, axis=1)[:, sizes - 1]
    ends = np.concatenate([[0], sizes, [k]])
    lower, upper = np.zeros((len(rows), len(ends))), np.ones((len(rows), len(ends)))
    lower[:, -1], upper[:, 0] = 1.0, 0.0
    for j, (size, weight) in enumerate(zip(sizes.tolist(), weights.tolist(), strict=True)):
        a = alpha / 2 * weight
        counts, where = np.unique(seen[:, j], return_inverse=True)
        lower[:, j + 1] = sets_lower(counts, n, size=size, num_classes=k, alpha=a)[where]
        upper[:, j + 1] = clopper_pearson(counts, n, alpha=a, side="upper")[1][where]
    steps = (np.diff(least_concave_majorant(ends, values), axis=1) for values in (lower, upper))
    wild, calm = (np.maximum(s, 0.0) for s in steps)
    return wild, calm, np.diff(ends)


def least_concave_majorant(x: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The least concave function of x (S,) above values (R, S), at the same x; x rises.

    Gift wrapping, all rows at a time: from a point of the hull go to the point that is reached most steeply.

    >>> least_concave_majorant(np.array([0, 1, 2, 4]), np.array([[0.0, 0.1, 0.8, 1.0]])).round(3).tolist()
    [[0.0, 0.4, 0.8, 1.0]]
    """
    points = len(x)
    hull = values.copy()
    at = np.zeros(len(values), dtype=np.intp)
    rows = np.arange(len(values))
    column = np.arange(points)
    while (at < points - 1).any():
        ahead = column > at[:, None]
        run = np.where(ahead, x - x[at][:, None], 1)
        rise = values - values[rows, at][:, None]
        slope = np.where(ahead, rise / run, -1.0)  # values rise to 1, so the steepest slope is never negative
        to = np.where(at == points - 1, at, slope.argmax(axis=1))
        between = ahead & (column < to[:, None])
        line = values[rows, at][:, None] + slope[rows, to][:, None] * run
        hull = np.where(between, line, hull)
        at = to
    return hull


def _sizes(k: int) -> NDArray[np.int64]:
    """The m that get limits: every one up to 4, then ever fewer, below K; few, because each costs a share of alpha."""
    sizes, m = [], 1
    while m < k:
        sizes.append(m)
        m = m + 1 if m < 4 else max(m + 1, round(m * 1.5))
    return np.array(sizes, dtype=np.int64)
