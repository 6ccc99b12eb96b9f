"""The largest entropy among the distributions that make the counts likely enough.

maximise H(p) = -sum_c p_c log p_c over p on the simplex with sum_c n_c log p_c >= b: a convex problem. For multipliers
lam > 0 of the likelihood and mu of the sum, its dual is

    D(lam, mu) = sum_c max_{p_c > 0} [-p_c log p_c + lam n_c log p_c - mu p_c] + mu - lam b,

and every D(lam, mu) is at least the maximum (weak duality). So an answer that has not converged is too large, never too
small, and whatever rests on it stays valid. The inner maximum is at p_c = lam n_c / omega(log(lam n_c) + mu + 1), omega the
Wright function, and at exp(-1 - mu) where n_c = 0.

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
    """Upper limits, in nats, of H(p) over {p : sum_c n_c log p_c >= log_bound}, to about 1e-6; at most log K.

    Takes counts (R, K) with n >= 1 and bounds (R,) below the largest log likelihood, gives (R,). Classes that were never seen
    may be left out of the counts, where `num_classes` says how many there are.

    All of 10 draws agree, and a likelihood of .5 is enough: p_1 = .5 ** .1, the rest spread evenly.

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
    """The smallest D found by bisection over log lam, with mu solved for each lam."""
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
    """The mu at which the p_c sum to 1, and log p_c there. The sum falls and is convex in mu: Newton from the left."""
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
