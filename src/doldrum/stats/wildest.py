"""The largest entropy among all distributions under which the observed counts are likely enough.

The problem is to maximise H(p) = -sum_c p_c log p_c over p on the simplex, under the constraint sum_c n_c log p_c >= b.
This problem is convex. The multiplier of the likelihood constraint is lam > 0, and the multiplier of the sum of p is
mu. The dual problem is to minimise the following function over lam and mu:

    D(lam, mu) = sum_c max_{p_c > 0} [-p_c log p_c + lam n_c log p_c - mu p_c] + mu - lam b,

By weak duality, every value D(lam, mu) is at least the maximum of H(p). If the minimisation of D stops early, its
result is too large and never too small, so the upper limits are still valid. The maximum over p_c is at p_c = lam n_c /
omega(log(lam n_c) + mu + 1), where omega is the Wright omega function. For a class with n_c = 0, the maximum over p_c
is at p_c = exp(-1 - mu).

Source: Boyd and Vandenberghe, Convex Optimization, 2004, section 5.1.3 (weak duality).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doldrum.stats._special import wrightomega, xlogy

__all__ = ["largest_entropy"]

_CHUNK = 500_000  # counts at a time: bounds scratch memory
_OUTER, _INNER, _EXPONENT = 20, 40, 700.0


def largest_entropy(
    rows: NDArray[np.int64], log_bound: NDArray[np.float64], *, num_classes: int | None = None
) -> NDArray[np.float64]:
    """Upper limits, in nats, of H(p) over {p : sum_c n_c log p_c >= log_bound}. The limits are exact to about 1e-6.

    Takes counts (R, K) with n >= 1, and bounds (R,) below the largest log likelihood. Returns limits (R,), each at most
    log K. Classes with the count 0 may be left out of the counts if `num_classes` gives the number of all classes.

    In this example, all 10 draws have the same label, and the likelihood of the draws must be at least .5. The entropy
    is largest for p_1 = .5 ** .1 and equal probabilities of the other classes.

    >>> p = 0.5**0.1
    >>> expected = -p * np.log(p) - (1 - p) * np.log((1 - p) / 2)
    >>> bool(abs(largest_entropy(np.array([[10, 0, 0]]), np.log([0.5]))[0] - expected) < 1e-6)
    True
    """
    k = num_classes or rows.shape[1]
    highest = np.full(len(rows), np.log(k))
    with np.errstate(divide="ignore"):
        # The uniform distribution is likely enough: nothing to solve.
        busy = np.flatnonzero(rows.sum(axis=1) * -np.log(k) < log_bound)
    order = np.sort(rows[busy], axis=1)[:, ::-1]
    for here in np.array_split(np.arange(len(busy)), -(-len(busy) * rows.shape[1] // _CHUNK) or 1):
        if not len(here):
            continue
        seen = order[here]
        columns = max(1, int((seen > 0).sum(axis=1).max()))
        value = _dual(seen[:, :columns].astype(np.float64), k, log_bound[busy[here]])
        highest[busy[here]] = np.minimum(value, np.log(k))
    return highest


def _dual(n: NDArray[np.float64], k: int, b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest value of the dual D(lam, mu) that a bisection over log lam finds, with the best mu for each lam."""
    unseen = k - (n > 0).sum(axis=1)
    total: NDArray[np.float64] = n.sum(axis=1)
    # lam -> 0 gives the uniform distribution, lam -> infinity the counts' own: the slack of the constraint rises between.
    low, high = np.log(1e-6 / total), np.log(1e2 / np.sqrt(total))
    mu = np.full(len(n), np.log(k) - 1.0)
    best = np.full(len(n), np.inf)
    for _ in range(_OUTER):
        middle = (low + high) / 2
        lam = np.exp(middle)[:, None]
        mu, log_p = _solve_mu(n, lam, unseen, mu)
        slack = (n * np.where(n > 0, log_p, 0.0)).sum(axis=1) - b
        p = np.where(n > 0, np.exp(log_p), 0.0)
        rest = unseen * np.exp(-1 - mu)
        inner = (-xlogy(p, p) + lam * n * np.where(n > 0, log_p, 0.0) - mu[:, None] * p).sum(axis=1) + rest
        best = np.minimum(best, inner + mu - lam[:, 0] * b)
        enough = slack > 0
        high, low = np.where(enough, middle, high), np.where(enough, low, middle)
    return best


def _solve_mu(
    n: NDArray[np.float64], lam: NDArray[np.float64], unseen: NDArray[np.int64], mu: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mu at which the sum of all p_c is 1, and the values log p_c at this mu.

    The sum of all p_c is a decreasing, convex function of mu, so Newton's method starts at a mu that is too small.
    """
    with np.errstate(divide="ignore"):
        log_weight = np.log(lam * n)
    # sum_c p_c >= 1 at this mu: p_c solves p (log p + mu + 1) = lam n_c, and p = n_c / n would need mu + 1 = lam n - log p.
    mu = np.minimum(mu, lam[:, 0] * n.sum(axis=1) - 1.0)
    log_p = np.zeros_like(n)
    for _ in range(_INNER):
        z = np.clip(log_weight + mu[:, None] + 1, -_EXPONENT, None)
        omega = np.where(n > 0, wrightomega(z), 1.0)
        # log p = omega - mu - 1 exactly, because omega + log omega = z.
        log_p = np.minimum(omega - mu[:, None] - 1, _EXPONENT)
        p = np.where(n > 0, np.exp(log_p), 0.0)
        rest = unseen * np.exp(np.minimum(-1 - mu, _EXPONENT))
        gap = p.sum(axis=1) + rest - 1
        step = gap / np.maximum((p / (1 + omega)).sum(axis=1) + rest, 1e-300)
        mu = mu + step
        if np.abs(gap).max() < 1e-10:
            break
    z = np.clip(log_weight + mu[:, None] + 1, -_EXPONENT, None)
    omega = np.where(n > 0, wrightomega(z), 1.0)
    return mu, np.where(n > 0, omega - mu[:, None] - 1, 0.0)
