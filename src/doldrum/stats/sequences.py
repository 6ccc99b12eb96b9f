"""Confidence sequences: limits that hold simultaneously for every number of draws, so that you can stop at any time.

If an interval for a fixed n is checked after every draw, it is wrong far more often than stated. A confidence sequence
is valid for the whole path: with probability at least 1 - alpha, its limits are right at every n.

All sequences of this module use mixture martingales. For a prior pi over distributions p, the mixture martingale M_n(p)
is defined as

    M_n(p) = m(counts) / p^counts, with m(counts) = integral of q^counts d pi(q).

For the true p, M_n(p) is a martingale that starts at 1. By Ville's inequality, the probability that M_n(p) ever reaches
1 / alpha is at most alpha. So with probability at least 1 - alpha, the true p is in the set {p : p^counts >= alpha
m(counts)} for every n. The limits are valid for every prior, but a prior that fits badly makes the limits wider. The
prior may use anything that is known before the draws, such as the label of the unperturbed input.

The limits of a proportion can also be computed by the betting method, which gives the same result. For 0/1 outcomes,
the wealth of the Krichevsky-Trofimov bettor equals the mixture with Beta(1/2, 1/2). So this module does not contain the
betting method.

Source: Robbins, Statistical methods related to the law of the iterated logarithm, 1970 (mixtures); Waudby-Smith and
Ramdas, Estimating means of bounded random variables by betting, JRSS B 2024 (betting). The limits of W are this
project's.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.errors import InputError
from doldrum.stats._counts import check_counts, check_level, check_successes, unique_rows
from doldrum.stats._special import betaln, gammaln, logsumexp, xlog1py, xlogy
from doldrum.stats.majorization import calmest_steps, limited_sizes
from doldrum.stats.wildest import largest_entropy

__all__ = ["entropy_decision", "entropy_sequence", "proportion_decision", "proportion_sequence"]

Side = Literal["both", "lower", "upper"]
Limits = tuple[NDArray[np.float64], NDArray[np.float64]]

# Mixture weight, prior count of the base class, prior count of all others together. The first lets dead calm be certified
# in few draws, the second suits inputs at the edge of it; sparse others suit labels that drift to one or two classes.
_WITH_BASE = ((0.4, 1.0, 0.05), (0.4, 2.0, 0.5))
# Weight and prior count of each class; (1, K) stands for a count of 1 / K.
_WITHOUT_BASE = ((0.5, 0.1), (0.5, 0.5))


def proportion_sequence(successes: ArrayLike, n: ArrayLike, *, alpha: float, side: Side = "both") -> Limits:
    """Limits of a proportion p that hold at all n together. The probability that p is outside of the limits at any n is
    at most alpha.

    The interval contains every p for which x log p + (n - x) log(1 - p) >= log(alpha) + log B(x + 1/2, n - x + 1/2) - log
    B(1/2, 1/2). Here x is the number of successes. The inequality comes from the beta-binomial mixture with Jeffreys'
    prior. With side="lower" or "upper", the requested limit is the same as with "both", and the other limit is 0 or 1.

    Parameters
    ----------
    successes, n : integers, broadcast together, 0 <= successes <= n; n = 0 gives [0, 1]
    alpha : float in (0, 1)

    Returns
    -------
    lower, upper : float64 in [0, 1], in the common broadcast shape; successes / n is between the two limits.

    Raises InputError for arguments outside of their ranges.

    >>> lower, upper = proportion_sequence([0, 50, 100], 100, alpha=0.05)
    >>> lower.round(3).tolist(), upper.round(3).tolist()
    ([0.0, 0.338, 0.943], [0.057, 0.662, 1.0])
    """
    x, total = check_successes(successes, n, alpha=alpha, side=side)
    pairs, index = unique_rows(np.column_stack([x.ravel(), total.ravel()]))
    a, b = pairs.T.astype(float)
    lower = 1 - _upper(b - a, b, alpha) if side != "upper" else np.zeros(len(a))
    upper = _upper(a, b, alpha) if side != "lower" else np.ones(len(a))
    where = index.reshape(x.shape)
    return lower[where], upper[where]


def proportion_decision(successes: ArrayLike, n: ArrayLike, threshold: float, *, alpha: float) -> NDArray[np.int8]:
    """1 if the lower limit of p is above `threshold`, -1 if the upper limit is below `threshold`, else 0 (undecided).

    The decision may be checked at every n: the probability of a wrong decision at any n is at most alpha. The true p is
    on one side of the threshold, so only one of the two limits can lead to a wrong decision.

    >>> proportion_decision([99, 50, 5], 100, 0.5, alpha=0.01).tolist()
    [1, 0, -1]
    """
    _check_threshold(threshold)
    lower, upper = proportion_sequence(successes, n, alpha=alpha)
    return (lower > threshold).astype(np.int8) - (upper < threshold).astype(np.int8)


def entropy_sequence(counts: ArrayLike, *, alpha: float, base: ArrayLike | None = None, side: Side = "both") -> Limits:
    """Limits of the true W = -sum p log p / log K that hold at all n together, for every p.

    *Upper limit.* The upper limit is the largest entropy over {p : p^counts >= alpha m(counts)}, where m is a mixture
    of Dirichlet distributions. Some of the Dirichlet distributions favour the class `base`. If most draws get the label
    `base`, pass `base`: then about half as many draws give the same upper limit.

    *Lower limit.* P_m is the total probability of the m most probable classes. Which m classes are the most probable
    does not depend on the draws, and the total count of these classes is at most the sum of the m largest counts. So
    beta-binomial sequences give upper limits of P_1, P_2, …, and each limit uses a share of alpha. W is at least the
    entropy of the most unequal distribution that these upper limits allow (:mod:`doldrum.stats.majorization`).

    Parameters
    ----------
    counts : integers (..., K), K >= 2
        Label counts after any number of draws.
    alpha : float in (0, 1)
        P(W is outside of the limits at any n) <= alpha. With side="both", each limit uses alpha / 2.
    base : integers (...), optional
        One class per row, fixed before the draws, such as the label of the unperturbed input; -1 for a row without such
        a class.
    side : "both", "lower" or "upper"
        With "lower" or "upper", the requested limit uses all of alpha, and the other limit is 0 or 1.

    Returns
    -------
    lower, upper : float64 (...), in [0, 1]; [0, 1] where n = 0.

    Raises
    ------
    InputError
        Raised if counts are not non-negative integers (..., K), alpha is not in (0, 1), or base has another shape or
        classes outside of [-1, K).

    >>> lower, upper = entropy_sequence([[60] + [0] * 9, [20, 20, 20] + [0] * 7], alpha=0.01, base=[0, 0])
    >>> lower.round(2).tolist(), upper.round(2).tolist()
    ([0.0, 0.4], [0.23, 0.8])
    """
    c = check_counts(counts)
    check_level(1 - alpha)
    if side not in ("both", "lower", "upper"):
        raise InputError(f"expected side 'both', 'lower' or 'upper', got {side!r}; choose one")
    k, shape = c.shape[-1], c.shape[:-1]
    rows, index = _distinct(c.reshape(-1, k), base, shape)
    lower, upper = np.zeros(len(rows)), np.ones(len(rows))
    busy = np.flatnonzero(rows[:, 1:].sum(axis=1) > 0)
    if len(busy):
        has_base, live = rows[busy, 0], rows[busy, 1:]
        a = alpha / 2 if side == "both" else alpha
        if side != "upper":
            lower[busy] = np.clip(_least_nats(live, a, k) / np.log(k), 0.0, 1.0)
        if side != "lower":
            log_bound = np.log(a) + _log_mixture(live, has_base > 0, k)
            upper[busy] = np.clip(largest_entropy(live, log_bound, num_classes=k) / np.log(k), 0.0, 1.0)
    return lower[index].reshape(shape) + 0.0, upper[index].reshape(shape) + 0.0


def entropy_decision(
    counts: ArrayLike, threshold: float, *, alpha: float, base: ArrayLike | None = None
) -> NDArray[np.int8]:
    """1 if the lower limit of W is above `threshold`, -1 if the upper limit is below `threshold`, else 0 (undecided).

    The decision may be checked at every n: for every p, the probability of a wrong decision at any n is at most alpha.
    The true W is on one side of the threshold, so only one of the two limits can lead to a wrong decision. So both the
    lower limit and the upper limit use all of alpha. The parameters are those of :func:`entropy_sequence`.

    >>> entropy_decision([[70] + [0] * 9, [9, 9, 9] + [0] * 7, [5] + [0] * 9], 0.2, alpha=0.01, base=[0, 0, 0]).tolist()
    [-1, 1, 0]
    """
    _check_threshold(threshold)
    above = entropy_sequence(counts, alpha=alpha, base=base, side="lower")[0] > threshold
    below = entropy_sequence(counts, alpha=alpha, base=base, side="upper")[1] < threshold
    return above.astype(np.int8) - below.astype(np.int8)


def _check_threshold(threshold: float) -> None:
    if not 0 <= threshold <= 1:
        raise InputError(f"expected a threshold in [0, 1], got {threshold}; W and proportions are always in this range")


def _distinct(
    counts: NDArray[np.int64], base: ArrayLike | None, shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """The distinct rows of counts, and the index of each row among them.

    The first entry of a row is 1 if the row has a base class, else 0. The next entries of a row are the count of the
    base class, and the counts of the other classes in descending order. Columns that are 0 in all rows are cut off: 100
    draws give at most 100 of K = 20,000 classes a count.
    """
    k = counts.shape[1]
    classes = np.full(shape, -1) if base is None else np.asarray(base)
    if classes.shape != shape or classes.dtype.kind not in "iu" or (classes < -1).any() or (classes >= k).any():
        raise InputError(
            f"expected base classes (integers from -1 to {k - 1}) in an array of shape {shape}, got an array of {classes.dtype} of shape {classes.shape}; pass one class per row"
        )
    chosen = classes.reshape(-1).astype(np.intp)
    known = chosen >= 0
    first = np.take_along_axis(counts, np.maximum(chosen, 0)[:, None], axis=1)[:, 0]
    rest = counts.copy()
    rest[np.flatnonzero(known), chosen[known]] = np.iinfo(np.int64).max  # sorts to the front, and is put back
    rest = np.sort(rest, axis=1)[:, ::-1]
    rest[known, 0] = first[known]
    rest = rest[:, : 1 + int(np.flatnonzero(rest.any(axis=0)).max(initial=0))]
    return unique_rows(np.column_stack([known.astype(np.int64), rest]))


def _log_mixture(rows: NDArray[np.int64], has_base: NDArray[np.bool_], k: int) -> NDArray[np.float64]:
    """log m(counts) for a mixture of symmetric Dirichlet distributions.

    For rows with a base class (in column 0), the mixture also has Dirichlet distributions that favour the base class. A
    class with the count 0 adds nothing, so its column may be left out.
    """
    n = rows.sum(axis=1)

    def dirichlet(first: float, other: float) -> NDArray[np.float64]:
        total = first + (k - 1) * other
        parts = gammaln(rows[:, 0] + first) - gammaln(first)
        parts = parts + (gammaln(rows[:, 1:] + other) - gammaln(other)).sum(axis=1)
        return parts + gammaln(total) - gammaln(n + total)

    alike = [np.log(w) + dirichlet(a, a) for w, a in _WITHOUT_BASE]
    favour = [np.log(w) + dirichlet(a, b / (k - 1)) for w, a, b in _WITH_BASE]
    plain = np.asarray(logsumexp(alike, axis=0))
    left = np.log(1 - sum(w for w, _, _ in _WITH_BASE))
    return np.where(has_base, np.asarray(logsumexp([*favour, left + plain], axis=0)), plain)


def _least_nats(rows: NDArray[np.int64], alpha: float, k: int) -> NDArray[np.float64]:
    """The lower limit of H: the entropy of the most unequal distribution that the upper limits of P_1, P_2, … allow."""
    n = rows.sum(axis=1)
    sizes = limited_sizes(k)
    weights = 1.0 / np.arange(1, len(sizes) + 1) ** 2
    weights /= weights.sum()
    most = np.cumsum(np.sort(rows, axis=1)[:, ::-1], axis=1)[:, np.minimum(sizes, rows.shape[1]) - 1]
    high = np.stack(
        [proportion_sequence(most[:, j], n, alpha=alpha * w, side="upper")[1] for j, w in enumerate(weights)], axis=1
    )
    calm, width = calmest_steps(sizes, high, k)
    return -(width * xlogy(calm, calm)).sum(axis=1)


def _upper(x: NDArray[np.float64], n: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """The upper limit, rounded up: the largest p with x log p + (n - x) log(1 - p) >= log alpha + log m(x, n)."""
    bound = np.log(alpha) + betaln(x + 0.5, n - x + 0.5) - betaln(0.5, 0.5)
    low, high = x / np.maximum(n, 1), np.ones(len(x))
    open_ = (n > 0) & (x < n)
    for _ in range(46):
        middle = (low + high) / 2
        inside = xlogy(x, middle) + xlog1py(n - x, -middle) >= bound
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.where(open_, high, 1.0)
