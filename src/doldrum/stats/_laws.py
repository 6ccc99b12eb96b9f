"""Beta-binomial and hypergeometric probabilities from SciPy's special functions.

Importing scipy.stats instead would delay every command by 0.7 s. Arrays broadcast. Values outside a distribution's
support are not handled.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.stats._special import betaln

__all__ = ["betabinom_pmf", "hypergeom_tail"]


def betabinom_pmf(n: int, a: float, b: float) -> NDArray[np.float64]:
    """P(X = 0), ..., P(X = n) for X successes in n trials.

    All n trials have the same probability of success, which is a random number from Beta(a, b).

    >>> betabinom_pmf(2, 1, 1).round(6).tolist()
    [0.333333, 0.333333, 0.333333]
    """
    x = np.arange(n + 1)
    return np.exp(_log_choose(n, x) + betaln(x + a, n - x + b) - betaln(a, b))


def hypergeom_tail(held: int, *, population: int, marked: int, drawn: int) -> float:
    """The probability that a random sample of objects contains at least `held` marked objects.

    `population` is the number of all objects, `marked` the number of marked objects, and `drawn` the size of the
    sample. All samples are equally likely. The number `held` must be at most `marked` and at most `drawn`.

    >>> round(hypergeom_tail(2, population=4, marked=2, drawn=2), 6)
    0.166667
    """
    x = np.arange(max(held, drawn + marked - population, 0), min(marked, drawn) + 1)
    terms = _log_choose(marked, x) + _log_choose(population - marked, drawn - x) - _log_choose(population, drawn)
    return min(1.0, float(np.exp(terms).sum()))


def _log_choose(n: ArrayLike, k: ArrayLike) -> NDArray[np.float64]:
    n, k = np.asarray(n), np.asarray(k)
    return -np.log1p(n) - betaln(n - k + 1, k + 1)
