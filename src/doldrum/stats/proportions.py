"""Limits of proportions p: Clopper-Pearson limits, and limits for many sets of classes at once. All hold for every p."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.errors import InputError
from doldrum.stats._counts import check_counts, check_level, check_successes
from doldrum.stats._special import betainc, betaincinv, gammaln

__all__ = ["Interval", "clopper_pearson", "dominant_lower", "proportion", "sets_lower"]


@dataclass(frozen=True)
class Interval:
    """A value with its limits: `lower <= value <= upper`. The value is NaN if nothing was observed."""

    value: float
    lower: float
    upper: float


def clopper_pearson(
    successes: ArrayLike, n: ArrayLike, *, alpha: float, side: Literal["both", "lower", "upper"] = "both"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exact Clopper-Pearson limits of a binomial proportion.

    lower = Beta^-1(a; x, n - x + 1), upper = Beta^-1(1 - a; x + 1, n - x). With side="both", a = alpha / 2, so each of
    the two limits is wrong with probability at most alpha / 2. With side="lower" or "upper", a = alpha, and only the
    requested limit is computed; the other limit is 0 or 1.

    Parameters
    ----------
    successes, n : integers, broadcast together, 0 <= successes <= n; n = 0 gives [0, 1]
    alpha : float in (0, 1)
    side : "both", "lower" or "upper"

    Returns
    -------
    lower, upper : float64 in [0, 1], in the common broadcast shape of `successes` and `n`.

    Source: Clopper and Pearson, Biometrika 1934.

    >>> lower, upper = clopper_pearson([0, 5, 10], 10, alpha=0.05)
    >>> lower.round(4).tolist(), upper.round(4).tolist()
    ([0.0, 0.1871, 0.6915], [0.3085, 0.8129, 1.0])
    """
    x, total = check_successes(successes, n, alpha=alpha, side=side)
    a = alpha / 2 if side == "both" else alpha
    lower, upper = np.zeros(x.shape), np.ones(x.shape)
    if side != "upper":
        some = x > 0
        lower[some] = betaincinv(x[some], total[some] - x[some] + 1, a)
    if side != "lower":
        some = x < total
        upper[some] = betaincinv(x[some] + 1, total[some] - x[some], 1 - a)
    return lower, upper


def proportion(successes: int, n: int, *, level: float = 0.95) -> Interval:
    """successes / n with its two-sided Clopper-Pearson limits. If n = 0, the value is NaN and the limits are 0 and 1.

    >>> proportion(98, 100)
    Interval(value=0.98, lower=0.929..., upper=0.997...)
    """
    lower, upper = clopper_pearson(int(successes), int(n), alpha=1 - check_level(level))
    return Interval(successes / n if n else float("nan"), float(lower), float(upper))


def sets_lower(successes: ArrayLike, n: int, *, size: int, num_classes: int, alpha: float) -> NDArray[np.float64]:
    """Lower limits that hold for all sets of `size` classes at once, and so for the most probable set too.

    Suppose that X of n draws fall into a set S of classes. The limit for S is the largest l with P(Bin(n, l) >= X) <=
    alpha l / C(K-1, size-1). So for a set S of true probability p(S), the limit is too high with probability at most
    alpha p(S) / C(K-1, size-1). Over all sets of `size` classes, the probabilities p(S) sum to C(K-1, size-1), because
    each class is in C(K-1, size-1) of these sets. So the probability that the limit of any set is too high is at most
    alpha. An ordinary union bound would divide alpha equally among all sets. This weighted union bound gives almost all
    of alpha to a single class with a probability near 1.

    For l <= (X - 1) / (n - 1), the function P(Bin(n, l) >= X) is convex in l, so that P(Bin(n, l) >= X) / l increases
    with l. All limits are at most (X - 1) / (n - 1).

    Takes successes (...), from 0 to n, and returns float64 (...) in [0, 1). The limits do not depend on p.

    Source: this project's own weighted union bound.

    >>> sets_lower([100, 60], 100, size=1, num_classes=10, alpha=0.001).round(4).tolist()
    [0.9326, 0.429]
    """
    x = np.asarray(successes)
    unique, where = np.unique(x, return_inverse=True)
    share = np.log(alpha) - _log_binomial(num_classes - 1, size - 1)
    low = np.zeros(len(unique))
    high = np.clip((unique - 1) / max(n - 1, 1), 0.0, 1.0)
    alive = high > 0
    with np.errstate(divide="ignore"):
        for _ in range(45):  # bisection; the end kept, `low`, is always a valid limit
            middle = (low + high) / 2
            tail = np.log(betainc(np.maximum(unique, 1), n - unique + 1, middle))
            fine = alive & (tail <= share + np.log(middle))
            low, high = np.where(fine, middle, low), np.where(fine, high, middle)
    return low[where].reshape(x.shape)


def dominant_lower(counts: ArrayLike, *, alpha: float, classes: ArrayLike | None = None) -> NDArray[np.float64]:
    """Lower limit of the dominant class's probability. For every p, P(the limit is too high) <= alpha.

    Without `classes`, the dominant class is the most frequent class in these same draws. Because the draws decide which
    class this is, the limit must be valid for all classes at once (:func:`sets_lower`). For classes with p > 1 / K,
    this limit is never below the Clopper-Pearson limit at alpha / K. Near p = 1, the limit without `classes` almost
    equals the Clopper-Pearson limit at alpha. The classes in `classes` must be fixed before the draws, for example as
    base labels, or by different draws. With `classes`, the result is the Clopper-Pearson lower limit at alpha of each
    given class's probability.

    Parameters
    ----------
    counts : integers (..., K)
    alpha : float in (0, 1)
    classes : integers (...), optional, in [0, K)

    Returns
    -------
    float64 (...), in [0, 1]; 0 where n = 0. The result is a lower limit of p_c for one class c, not of the largest
    entry of p.

    Source: Cohen et al., Certified adversarial robustness via randomized smoothing, 2019 (for classes fixed
    beforehand).

    >>> dominant_lower([100, 0, 0], alpha=0.001).round(4).tolist()
    0.9326
    >>> dominant_lower([100, 0, 0], alpha=0.001, classes=0).round(4).tolist()
    0.9333
    """
    c = check_counts(counts)
    check_level(1 - alpha)
    k, n = c.shape[-1], c.sum(axis=-1)
    if classes is not None:
        chosen = np.asarray(classes)
        if chosen.shape != n.shape or chosen.dtype.kind not in "iu" or (chosen < 0).any() or (chosen >= k).any():
            raise InputError(
                f"expected class numbers in [0, {k}) of shape {n.shape}, got {chosen.dtype} of shape {chosen.shape}; pass one class per row"
            )
        seen = np.take_along_axis(c, chosen[..., None], axis=-1)[..., 0]
        return clopper_pearson(seen, n, alpha=alpha, side="lower")[0]
    most, lower = c.max(axis=-1), np.zeros(n.shape)
    for total in np.unique(n):
        here = n == total
        lower[here] = sets_lower(most[here], int(total), size=1, num_classes=k, alpha=alpha)
    return lower


def _log_binomial(n: int, k: int) -> float:
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
