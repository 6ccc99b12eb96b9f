"""Mean W over inputs that were all given the same draws, with intervals that count the sharing.

Draw j perturbs every input with the same noise, so the W of different inputs rise and fall together and more inputs
don't average that away. The variance of a mean is therefore the sum of two parts,

    s^2 / N                                         the inputs are a sample (s^2: variance of W over the N inputs)
    (G - 1) / G sum_g (theta_(g) - mean theta)^2    the draws are a sample (delete-a-group jackknife, G groups of draws),

in which the part of the noise that is not shared is counted twice: slightly cautious. Degrees of freedom by Satterthwaite.
The target is the mean, over inputs like these, of plug-in W at this number of draws (plug-in bias included): compare
means at equal draws only.

Coverage in simulation, at a promised 95% and with 99% of the noise shared by all inputs: 93-95% from 30 draws on, 92% at 20,
88% at 10 to 15 (the mean of few shared draws is skewed). Without sharing 94-99%.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from doldrum.errors import InputError
from doldrum.stats._counts import check_level
from doldrum.stats.entropy import plug_in
from doldrum.stats.intervals import entropy_interval
from doldrum.stats.proportions import Interval

__all__ = ["mean_entropy", "paired_mean_difference"]

_GROUPS = 10


def mean_entropy(draw_labels: ArrayLike, num_classes: int, *, level: float = 0.95) -> Interval:
    """Mean plug-in W of N inputs, with its interval.

    Parameters
    ----------
    draw_labels : integers (N, n)
        The label of draw j for input i; negative codes (invalid, not taken) count nowhere. Column j is one draw, shared
        by all inputs. Inputs without any valid draw are left out.
    num_classes : int
    level : float in (0, 1)

    Returns
    -------
    Interval, clipped to [0, 1]. A single input has the jackknife part only: the interval is about that input. Where no
    label ever differs (W = 0 for all) the variance is 0 and the upper limit comes from exact limits instead: what
    could hide in n agreeing draws, and in N agreeing inputs. NaN for an empty array; [0, 1] for a single draw.

    Raises
    ------
    InputError
        When draw_labels is not an integer array (N, n) with labels below num_classes.

    >>> draws = np.array([[0, 0, 0, 1], [1, 1, 1, 1], [0, 1, 0, 1]])
    >>> mean_entropy(draws, 2)
    Interval(value=0.603..., lower=0.0, upper=1.0)
    """
    draws = _check(draw_labels, num_classes)
    w, without = _leave_groups_out([draws], num_classes)
    value, half, spread = _interval(w, without, check_level(level))
    upper = value + half
    if spread == 0:
        upper = max(upper, _calm_upper(len(w), int((draws >= 0).sum(axis=1).max(initial=0)), num_classes, level))
    return Interval(value, max(value - half, 0.0) if not np.isnan(value) else value, min(upper, 1.0))


def paired_mean_difference(first: ArrayLike, second: ArrayLike, num_classes: int, *, level: float = 0.95) -> Interval:
    """Mean of W(first) - W(second) over inputs that were given both ways (triggered and clean, say) the same draws.

    Both arrays are (N, n): the same inputs in the same order, column j the same draw. Pairing removes what the two
    share. Interval as :func:`mean_entropy`, clipped to [-1, 1]; inputs without valid draws on either side are left out;
    where no difference varies over inputs or draws (nothing ever flips), the width is what could hide, as there.

    Raises
    ------
    InputError
        As :func:`mean_entropy`, or when the shapes differ.

    >>> calm, wild = np.zeros((20, 10), dtype=int), np.arange(200).reshape(20, 10) % 2
    >>> paired_mean_difference(calm, wild, 2).value
    -1.0
    """
    a, b = _check(first, num_classes), _check(second, num_classes)
    if a.shape != b.shape:
        raise InputError(f"expected two arrays of one shape, got {a.shape} and {b.shape}; pair inputs and draws")
    d, without = _leave_groups_out([a, b], num_classes)
    value, half, spread = _interval(d, without, check_level(level))
    if spread == 0:
        half = _calm_upper(len(d), int((a >= 0).sum(axis=1).max(initial=0)), num_classes, level)
    return Interval(value, float(np.clip(value - half, -1, 1)), float(np.clip(value + half, -1, 1)))


def _check(draw_labels: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    draws = np.asarray(draw_labels)
    if draws.ndim != 2 or draws.dtype.kind not in "iu":
        raise InputError(f"expected integer labels (N, n), got {draws.dtype} {draws.shape}; one label a draw")
    if num_classes < 2 or (draws.size and draws.max() >= num_classes):
        raise InputError(f"expected labels below num_classes >= 2, got {num_classes}; check num_classes")
    return draws.astype(np.int64)


def _counts(draws: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    bins = np.where(draws < 0, k, draws) + (k + 1) * np.arange(len(draws))[:, None]
    return np.bincount(bins.ravel(), minlength=len(draws) * (k + 1)).reshape(len(draws), k + 1)[:, :k]


def _leave_groups_out(arrays: list[NDArray[np.int64]], k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """W (or its difference) of each usable input (N,), and the mean over them without each group of draws (G,)."""
    taken = np.flatnonzero(np.any([(a >= 0).any(axis=0) for a in arrays], axis=0))
    groups = _GROUPS if len(taken) >= 2 * _GROUPS else len(taken)
    totals = [_counts(a, k) for a in arrays]
    w = _difference(totals)
    usable = ~np.isnan(w)
    without = []
    for g in range(groups):
        part = _difference([c - _counts(a[:, taken[g::groups]], k) for a, c in zip(arrays, totals, strict=True)])[
            usable
        ]
        part = part[~np.isnan(part)]
        without.append(part.mean() if len(part) else np.nan)
    return w[usable], np.array(without)


def _difference(counts: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """W of the first counts, less W of the second if there are any."""
    first, *second = (plug_in(c) for c in counts)
    return first - second[0] if second else first


def _interval(w: NDArray[np.float64], without: NDArray[np.float64], level: float) -> tuple[float, float, float]:
    """Mean, half width, standard error."""
    n, g = len(w), len(without)
    if n == 0:
        return float("nan"), float("nan"), float("nan")
    if g < 2 or np.isnan(without).any():
        return float(w.mean()), float("inf"), float("inf")
    inputs = float(w.var(ddof=1) / n) if n > 1 else 0.0
    draws = float((g - 1) / g * ((without - without.mean()) ** 2).sum())
    variance = inputs + draws
    if variance <= 1e-30:
        return float(w.mean()), 0.0, 0.0
    freedom = variance**2 / ((inputs**2 / (n - 1) if n > 1 else 0.0) + draws**2 / (g - 1))
    half = float(student.ppf((1 + level) / 2, freedom)) * variance**0.5
    return float(w.mean()), half, variance**0.5


def _calm_upper(inputs: int, draws: int, k: int, level: float) -> float:
    """Upper limit of mean W when every label agreed: hidden in the draws, plus hidden in the inputs not sampled."""
    row = np.zeros(k, dtype=np.int64)
    row[0] = draws
    by_draws = float(entropy_interval(row, level=level)[1])
    by_inputs = 1 - ((1 - level) / 2) ** (1 / inputs) if inputs > 1 else 0.0
    return by_draws + (1 - by_draws) * by_inputs
