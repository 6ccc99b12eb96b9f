"""Estimators of W, the entropy of label counts divided by log K, and of the collision statistic.

Every function takes counts of shape (..., K) and returns an array of shape (...). The sum of a row of counts is n, the
number of an input's valid draws.

The bias of each estimator of W was measured at n = 10 and K = 10, for distributions of medium entropy. The measured
bias was -.13 for plug-in, -.08 for Miller-Madow, -.02 for Grassberger and -.01 for NSB. Every estimator except the
collision statistic has a bias that depends on n. So compare the estimates of two inputs only if both inputs have the
same number of draws.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.stats._counts import check_counts, distinct_rows
from doldrum.stats._special import digamma, entr
from doldrum.stats.nsb import posterior_mean

__all__ = ["collision", "grassberger", "miller_madow", "nsb", "plug_in"]


def plug_in(counts: ArrayLike) -> NDArray[np.float64]:
    """W by its definition: -sum_c p_c log p_c / log K with p_c = counts_c / n.

    The bias is about -(K' - 1) / (2 n log K), where K' is the number of classes that can occur.

    Parameters
    ----------
    counts : integers (..., K), K >= 2

    Returns
    -------
    float64 (...), in [0, 1]; NaN if n = 0.

    Raises
    ------
    InputError
        Raised if the counts are not non-negative integers, or if K < 2.

    Source: Grosse et al., Computers & Security 2022 (the measure W).

    >>> plug_in([[5, 5, 0, 0], [9, 0, 0, 0]]).tolist()
    [0.5, 0.0]
    """
    c = check_counts(counts)
    return _unit(_plug_in_nats(c) / np.log(c.shape[-1]))


def miller_madow(counts: ArrayLike) -> NDArray[np.float64]:
    """Plug-in W plus (K+ - 1) / (2 n log K), clipped to [0, 1]. K+ is the number of classes with a count above 0.

    Takes counts (..., K) and returns values (...) in [0, 1], or NaN if n = 0. Raises InputError in the same cases as
    :func:`plug_in`.

    Source: Miller, Note on the bias of information estimates, 1955.

    >>> miller_madow([5, 5]).tolist()
    1.0
    >>> round(float(miller_madow([8, 2, 0, 0])), 4)
    0.397
    """
    c = check_counts(counts)
    n = _totals(c)
    nats = _plug_in_nats(c) + np.maximum((c > 0).sum(axis=-1) - 1, 0) / (2 * n)
    return _unit(nats / np.log(c.shape[-1]))


def grassberger(counts: ArrayLike) -> NDArray[np.float64]:
    """Grassberger's entropy estimator, divided by log K: [log n - sum_c (c / n) G(c)] / log K, clipped to [0, 1].

    G(c) = psi(c) + (-1)^c [psi((c + 1) / 2) - psi(c / 2)] / 2. K is needed only for the division by log K. Takes counts
    (..., K) and returns values (...) in [0, 1], or NaN if n = 0. Raises InputError in the same cases as
    :func:`plug_in`.

    Source: Grassberger, Entropy estimates from insufficient samplings, arXiv physics/0307138, eq. 35.

    >>> round(float(grassberger([8, 2, 0, 0])), 4)
    0.3542
    """
    c = check_counts(counts)
    n = _totals(c)
    values, where = np.unique(c, return_inverse=True)
    v = np.maximum(values, 1).astype(float)
    sign = np.where(values % 2 == 0, 1.0, -1.0)
    g = values * (digamma(v) + sign * (digamma((v + 1) / 2) - digamma(v / 2)) / 2)
    nats = np.log(n) - g[where].reshape(c.shape).sum(axis=-1) / n
    return _unit(nats / np.log(c.shape[-1]))


def nsb(counts: ArrayLike) -> NDArray[np.float64]:
    """The estimator of Nemenman, Shafee and Bialek (NSB) for a known K. The estimate is a posterior mean of W.

    The prior is a mixture of symmetric Dirichlet(beta) distributions, for which the expected entropy is uniform in [0,
    log K] (:mod:`doldrum.stats.nsb`). The estimate has almost no bias for n >= K. The estimate is above 0 even if all
    draws have the same label.

    Takes counts (..., K) and returns values (...) in (0, 1), or NaN if n = 0. Raises InputError in the same cases as
    :func:`plug_in`. Rows that differ only in the order of their classes are computed once.

    Source: Nemenman, Shafee, Bialek, Entropy and inference, revisited, NIPS 2001, arXiv physics/0108025.

    >>> nsb([[10, 0, 0], [4, 3, 3]]).round(3).tolist()
    [0.086, 0.949]
    """
    c = check_counts(counts)
    rows, index = distinct_rows(c)
    return np.where(c.sum(axis=-1) > 0, posterior_mean(rows)[index].reshape(c.shape[:-1]), np.nan)


def collision(counts: ArrayLike) -> NDArray[np.float64]:
    """The probability that two draws have different labels: 1 - sum_c c (c - 1) / (n (n - 1)).

    For any n that was fixed beforehand, this statistic is an unbiased estimate of 1 - sum_c p_c^2. So this statistic
    can be compared between inputs with different numbers of draws. The largest possible true value is 1 - 1/K. The
    statistic is not divided by 1 - 1/K: it is in [0, 1], and can be above 1 - 1/K by chance.

    Takes counts (..., K) and returns values (...) in [0, 1], or NaN if n < 2. Raises InputError in the same cases as
    :func:`plug_in`.

    Source: Simpson, Measurement of diversity, Nature 1949.

    >>> collision([[4, 0], [2, 2], [1, 0]]).round(4).tolist()
    [0.0, 0.6667, nan]
    """
    c = check_counts(counts)
    n = c.sum(axis=-1)
    pairs = np.where(n >= 2, n * (n - 1), np.nan)
    return 1 - (c * (c - 1)).sum(axis=-1) / pairs


def _totals(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The sum of each row of counts as a float; a sum of 0 becomes NaN."""
    n = counts.sum(axis=-1)
    return np.where(n > 0, n, np.nan)


def _plug_in_nats(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return entr(counts / _totals(counts)[..., None]).sum(axis=-1)


def _unit(w: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values clipped to [0, 1]. NaN stays NaN, and -0.0 becomes 0.0."""
    return np.clip(w, 0.0, 1.0) + 0.0
