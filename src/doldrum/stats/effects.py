"""Statistics over trained models: a mean with interval and test, Holm's correction, probability of superiority.

The functions `mean_effect` and `holm` need one number per model, for example a difference in differences. Do not pass
one number per input: inputs of one model are not independent, because the model's weights, draws and training set are
the same for all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.stats._counts import check_level
from doldrum.stats._special import stdtr, stdtrit

__all__ = ["Effect", "holm", "mean_effect", "superiority"]

Method = Literal["t", "sign-flip"]
_EXACT = 16  # models up to which all 2^n sign assignments are gone through
_SAMPLED = 1 << 14


@dataclass(frozen=True)
class Effect:
    """A mean over `n` models, its interval, and the two-sided p-value of "the mean is 0"."""

    value: float
    lower: float
    upper: float
    p: float
    n: int
    method: str


def mean_effect(values: ArrayLike, *, level: float = 0.95, method: Method = "t", seed: int = 0) -> Effect:
    """Mean of one value per model, with interval and test.

    Parameters
    ----------
    values : floats (n,)
        One finite value per model. In a paired design, the value of a model is the difference of the model's two
        measurements.
    level : float in (0, 1)
    method : "t" or "sign-flip"
        "t": mean ± t_{n-1} s / sqrt(n), for values that are about normally distributed over models. (If the values of 6
        models are uniformly distributed, the test at 5% falsely rejects in 7% of cases.) "sign-flip": exact for every
        distribution that is symmetric around its mean. The p-value is the share of the 2^n sign assignments whose mean
        is at least as far from 0 as the observed mean. For the limits, the means of all 2^n - 1 non-empty subsets of
        the values are sorted. With k = floor(2^n (1 - level) / 2), the limits are the k-th smallest and the k-th
        largest of these subset means. If k is 0, the limits are infinite; with level 0.95, k is 0 for fewer than 6
        models. With more than 16 models, 16,384 random assignments or subsets are used.
    seed : int
        The seed of the random assignments and subsets.

    Returns
    -------
    Effect. Without values, `value` is NaN and the limits are infinite. For a single value, p = 1 and the limits are
    infinite.

    Raises
    ------
    InputError
        Raised if `values` is not a list of finite numbers.

    Source: Hartigan, Using subsample values as typical values, JASA 1969 (subset means).

    >>> mean_effect([0.1, 0.12, 0.08, 0.11])
    Effect(value=0.1025, lower=0.0753..., upper=0.1296..., p=0.0012..., n=4, method='t')
    >>> mean_effect([0.1, 0.12, 0.08, 0.11, 0.1, 0.09], method="sign-flip").p
    0.03125
    """
    x = np.asarray(values, dtype=float)
    check_level(level)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise InputError(
            f"expected finite values, one per model, got shape {x.shape}; leave out models without a value"
        )
    if method not in ("t", "sign-flip"):
        raise InputError(f"expected the method 't' or 'sign-flip', got {method!r}; choose one")
    n = len(x)
    if n < 2:
        return Effect(float(x[0]) if n else math.nan, -math.inf, math.inf, 1.0, n, method)
    if method == "sign-flip":
        return _sign_flip(x, level, seed)
    value, error = float(x.mean()), float(x.std(ddof=1) / math.sqrt(n))
    half = float(stdtrit(n - 1, (1 + level) / 2)) * error
    if error == 0:
        return Effect(value, value, value, 1.0 if value == 0 else 0.0, n, method)
    p = 2 * float(stdtr(n - 1, -abs(value) / error))
    return Effect(value, value - half, value + half, p, n, method)


def _sign_flip(x: NDArray[np.float64], level: float, seed: int) -> Effect:
    n = len(x)
    exact = n <= _EXACT
    if exact:
        bits = (np.arange(1 << n)[:, None] >> np.arange(n)) & 1
    else:
        bits = rng(seed, "sign flips").integers(0, 2, size=(_SAMPLED, n))
    flipped = (1 - 2 * bits) @ x / n
    # Rounding must not tell an assignment from its equal.
    far = np.abs(flipped) >= abs(x.mean()) - 1e-12 * np.abs(x).max(initial=1e-300)
    p = float(far.mean()) if exact else float((far.sum() + 1) / (len(far) + 1))
    some = bits.sum(axis=1) > 0
    means = np.sort((bits[some] @ x) / bits[some].sum(axis=1))
    k = math.floor((len(means) + 1) * (1 - level) / 2 + 1e-9)
    lower, upper = (float(means[k - 1]), float(means[-k])) if k else (-math.inf, math.inf)
    return Effect(float(x.mean()), lower, upper, p, n, "sign-flip")


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjusted p-values of several tests.

    Reject each hypothesis whose adjusted p-value is at most alpha. Then the probability of one or more wrong rejections
    is at most alpha, even if the tests are not independent. The formula is adjusted_(i) = max_{j <= i} min(1, (m - j +
    1) p_(j)), where p_(1) <= ... <= p_(m) are the sorted p-values. Takes p-values (m,) and returns adjusted p-values
    (m,).

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise InputError("expected p-values in [0, 1], got other values; pass one p-value per test")
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1.0, p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(steps) if len(p) else steps
    return adjusted


def superiority(lower: ArrayLike, higher: ArrayLike) -> float:
    """The share of pairs in which the first value is below the second. Ties count half.

    If the returned share is 1/2, the values of neither list tend to be higher. Suppose that the first list has the
    entropy W of triggered inputs, and the second list has W of the same inputs without the trigger. Then the returned
    share estimates the probability that an input is smoother with the trigger than without it. Takes two paired lists
    (N,) and returns a number in [0, 1], or NaN for empty lists.

    Source: Grissom and Kim, Effect sizes for research, 2012 (probability of superiority, paired).

    >>> superiority([0.0, 0.1, 0.2], [0.3, 0.1, 0.1])
    0.5
    """
    a, b = np.asarray(lower, dtype=float), np.asarray(higher, dtype=float)
    if a.shape != b.shape or a.ndim != 1:
        raise InputError(f"expected two lists of the same length, got shapes {a.shape} and {b.shape}; pair them")
    return float(((a < b) + 0.5 * (a == b)).mean()) if len(a) else math.nan
