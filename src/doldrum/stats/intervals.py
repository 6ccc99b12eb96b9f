"""Intervals for the entropy W and the collision statistic, computed from label counts, and for proportions.

There are two methods. The method "guaranteed" has the stated coverage for every label distribution
(:mod:`doldrum.stats.majorization`). The method "posterior" gives a Bayesian credible interval, which is shorter
(:mod:`doldrum.stats.nsb`). The coverage of a credible interval is as stated on average over the prior, but not for
every distribution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.errors import InputError
from doldrum.stats import entropy
from doldrum.stats._counts import check_counts, check_level, distinct_rows
from doldrum.stats._special import xlogy
from doldrum.stats.majorization import limit_distributions
from doldrum.stats.nsb import credible
from doldrum.stats.proportions import Interval, clopper_pearson, dominant_lower, proportion

__all__ = [
    "Estimate",
    "Interval",
    "clopper_pearson",
    "collision_interval",
    "dominant_lower",
    "entropy_interval",
    "estimate",
    "proportion",
]

Method = Literal["guaranteed", "posterior"]
Statistic = Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]
Limits = tuple[NDArray[np.float64], NDArray[np.float64]]

_CHUNK = 200_000  # counts at a time: bounds scratch memory
_ESTIMATORS = {
    "plug_in": entropy.plug_in,
    "miller_madow": entropy.miller_madow,
    "grassberger": entropy.grassberger,
    "nsb": entropy.nsb,
    "collision": entropy.collision,
}


@dataclass(frozen=True, eq=False)
class Estimate:
    """An estimate with its interval: arrays `value`, `lower` and `upper` of one shape, with lower <= value <= upper.

    A `value` is NaN if it is undefined. `estimator`, `level` and `method` say how the arrays were computed.
    """

    value: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    estimator: str
    level: float
    method: str


def entropy_interval(counts: ArrayLike, *, level: float = 0.95, method: Method = "guaranteed") -> Limits:
    """Limits of the true W = -sum p log p / log K, which is the value of W for infinitely many draws.

    Parameters
    ----------
    counts : integers (..., K), K >= 2
    level : float in (0, 1)
        The probability that an interval contains the true W, for each interval alone.
    method : "guaranteed" or "posterior"
        "guaranteed": P(lower <= W <= upper) >= level for every p and n. The lower limit is above the true W with
        probability at most (1 - level) / 2, and the upper limit is below the true W with probability at most (1 -
        level) / 2. The plug-in value is always inside of the interval. "posterior": central credible interval under the
        prior of NSB. The coverage of the credible interval is `level` on average over the NSB prior, and can be lower
        for a given p. If all draws have the same label, the credible interval does not contain the plug-in value 0.

    Returns
    -------
    lower, upper : float64 (...), in [0, 1]; [0, 1] if n = 0 and the method is "guaranteed".

    Raises
    ------
    InputError
        Raised if the counts are not non-negative integers (..., K), the level is not in (0, 1), or the method is
        unknown.

    >>> lower, upper = entropy_interval([[100] + [0] * 9, [50, 50] + [0] * 8])
    >>> lower.round(3).tolist(), upper.round(3).tolist()
    ([0.0, 0.29], [0.113, 0.462])
    """
    c = check_counts(counts)
    level = check_level(level)
    if method == "posterior":
        rows, index = distinct_rows(c)
        lower, upper = credible(rows, level=level)
        return lower[index].reshape(c.shape[:-1]), upper[index].reshape(c.shape[:-1])
    if method != "guaranteed":
        raise InputError(f"expected the method 'guaranteed' or 'posterior', got {method!r}; choose one")
    scale = np.log(c.shape[-1])
    return _schur_limits(c, level, lambda p, width: -(xlogy(p, p / width)).sum(axis=1) / scale)


def collision_interval(counts: ArrayLike, *, level: float = 0.95) -> Limits:
    """Limits of 1 - sum_c p_c^2 with coverage `level` for every p.

    The limits are computed as in :func:`entropy_interval` with the method "guaranteed". Takes counts (..., K) and
    returns lower and upper (...) in [0, 1 - 1/K]. If n = 0, the interval is [0, 1 - 1/K].

    >>> lower, upper = collision_interval([9, 1])
    >>> bool(lower < 0.2 < upper)
    True
    """
    return _schur_limits(check_counts(counts), check_level(level), lambda p, width: 1 - (p**2 / width).sum(axis=1))


def estimate(
    counts: ArrayLike, estimator: str = "plug_in", *, level: float = 0.95, method: Method = "guaranteed"
) -> Estimate:
    """An estimate of W or of the collision statistic by the named estimator, with an interval.

    "plug_in", "miller_madow", "grassberger" and "nsb" estimate W. The interval for these estimators comes from
    :func:`entropy_interval`. The estimator "collision" gets its interval from :func:`collision_interval`, and accepts
    only the method "guaranteed". If an estimate is outside of its interval, the nearer limit is moved to the estimate.
    Moving a limit outwards can only raise the coverage.

    Takes counts (..., K) and returns arrays (...). Raises InputError if the estimator's name is unknown.

    >>> e = estimate([98, 2], "nsb")
    >>> bool(e.lower < e.value < e.upper)
    True
    """
    if estimator not in _ESTIMATORS:
        raise InputError(f"expected an estimator among {sorted(_ESTIMATORS)}, got {estimator!r}; choose one")
    c = check_counts(counts)
    value = _ESTIMATORS[estimator](c)
    if estimator == "collision":
        if method != "guaranteed":
            raise InputError(
                f"expected the method 'guaranteed' for the estimator 'collision', got {method!r}; leave out method="
            )
        lower, upper = collision_interval(c, level=level)
    else:
        lower, upper = entropy_interval(c, level=level, method=method)
    return Estimate(value, np.fmin(lower, value), np.fmax(upper, value), estimator, level, method)


def _schur_limits(counts: NDArray[np.int64], level: float, statistic: Statistic) -> Limits:
    """Limits of a Schur-concave statistic for each row of counts.

    `statistic` is called with the total probability of each step (R, S), and with the number of classes in each step
    (S,). All classes of a step have the same probability.
    """
    rows, index = distinct_rows(counts)
    k = counts.shape[-1]
    single = np.ones(k, dtype=np.int64)
    uniform = float(statistic(np.ones((1, 1)), np.array([k]))[0])
    lower, upper = np.zeros(len(rows)), np.full(len(rows), uniform)
    totals = rows.sum(axis=1)
    for n in np.unique(totals[totals > 0]):
        same = np.flatnonzero(totals == n)
        for here in np.array_split(same, -(-len(same) * k // _CHUNK)):
            limits = limit_distributions(rows[here], alpha=1 - level)
            # Rounding must not push a limit past the plug-in value or the range.
            plain = statistic(rows[here] / n, single)
            lower[here] = np.clip(np.minimum(statistic(limits.calm, single), plain), 0.0, uniform)
            upper[here] = np.clip(np.maximum(statistic(limits.wild, limits.width), plain), 0.0, uniform)
    shape = counts.shape[:-1]
    return lower[index].reshape(shape) + 0.0, upper[index].reshape(shape) + 0.0
