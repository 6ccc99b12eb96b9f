"""Rank correlation over models, within strata and adjusted for other variables. Bootstrap intervals over clusters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.stats._counts import check_level
from doldrum.stats.proportions import Interval

__all__ = ["cluster_bootstrap", "mid_ranks", "rank_correlation"]

Kind = Literal["spearman", "kendall"]


def rank_correlation(
    x: ArrayLike,
    y: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    adjust: Sequence[ArrayLike] = (),
    kind: Kind = "spearman",
) -> float:
    """Rank correlation of x and y, pooled within strata and after adjusting for other variables.

    "spearman": within each stratum, x and y are replaced by their mid-ranks, which are centred and divided by the
    stratum's size + 1. The result is the correlation between the ranks of x and the ranks of y, over all strata
    together. With `adjust`, a linear fit on the ranks of the variables in `adjust` is subtracted first (partial
    Spearman). "kendall": tau-b over the pairs within strata, without `adjust`. With one stratum, the results are the
    usual coefficients.

    Parameters
    ----------
    x, y : floats (n,)
    strata : labels (n,), optional
        The stratum of each row, for example its attack. Differences between strata have no effect.
    adjust : lists of floats (n,)
        The variables to adjust for, for example each model's mean W on clean inputs.

    Returns
    -------
    float in [-1, 1]; NaN if x or y has no variation left.

    Raises
    ------
    InputError
        Raised if lengths differ, values are not finite, or `adjust` is used with "kendall".

    >>> x, y = [1, 2, 11, 12], [6, 7, 1, 2]
    >>> round(rank_correlation(x, y), 3), round(rank_correlation(x, y, strata=list("aabb")), 3)
    (-0.6, 1.0)
    """
    columns = [np.asarray(c, dtype=float) for c in (x, y, *adjust)]
    groups = np.zeros(len(columns[0]), dtype=int) if strata is None else np.asarray(strata)
    if any(c.shape != columns[0].shape or c.ndim != 1 for c in columns) or groups.shape != columns[0].shape:
        raise InputError("expected lists of one length, got several lengths; give one value per model in every list")
    if not all(np.isfinite(c).all() for c in columns):
        raise InputError("expected finite values, got NaN or infinity; leave out models without a value")
    if kind == "kendall":
        if adjust:
            raise InputError(
                "expected kind='spearman' with adjust, got kind='kendall'; use 'spearman', or leave out adjust"
            )
        return _kendall(columns[0], columns[1], groups)
    if kind != "spearman":
        raise InputError(f"expected the kind 'spearman' or 'kendall', got {kind!r}; choose one")
    ranks = np.stack([_ranks_within(c, groups) for c in columns], axis=1)
    left = ranks[:, :2]
    if adjust:
        left = left - ranks[:, 2:] @ np.linalg.lstsq(ranks[:, 2:], left, rcond=None)[0]
    scale = math.sqrt(float((left[:, 0] ** 2).sum() * (left[:, 1] ** 2).sum()))
    # What a fit leaves of a variable that it explains entirely is rounding, not variation.
    if scale <= 1e-10 * float((ranks[:, :2] ** 2).sum()):
        return math.nan
    return float(np.clip((left[:, 0] * left[:, 1]).sum() / scale, -1, 1))


def mid_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rank of each value, counted from 1. Equal values get the mean of their ranks.

    >>> mid_ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    new = np.append(True, ordered[1:] != ordered[:-1])[: len(values)]
    out = np.empty(len(values))
    out[order] = 1 + _middles(np.flatnonzero(new), len(values))[0]
    return out


def _ranks_within(values: NDArray[np.float64], groups: NDArray[np.generic]) -> NDArray[np.float64]:
    """Mid-ranks within each group, centred and divided by the group's size + 1.

    All groups are sorted in one call, because bootstraps call this function often.
    """
    order = np.lexsort((values, groups))
    v, g = values[order], groups[order]

    def middle(new: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        return _middles(np.flatnonzero(np.concatenate([[True], new])), len(v))

    other = g[1:] != g[:-1]
    tied, size = middle(other | (v[1:] != v[:-1]))[0], middle(other)
    out = np.empty(len(v))
    out[order] = (tied - size[0]) / (size[1] + 1)
    return out


def _middles(starts: NDArray[np.intp], n: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """For each position from 0 to n - 1, the middle and the length of the block that contains the position.

    `starts` holds the first position of each block.
    """
    lengths = np.diff(np.append(starts, n))
    return np.repeat(starts + (lengths - 1) / 2, lengths), np.repeat(lengths, lengths)


def _kendall(x: NDArray[np.float64], y: NDArray[np.float64], groups: NDArray[np.generic]) -> float:
    pairs = np.triu(groups[:, None] == groups[None, :], k=1)
    a, b = (np.sign(v[:, None] - v[None, :])[pairs] for v in (x, y))
    scale = math.sqrt(float(np.abs(a).sum() * np.abs(b).sum()))
    return float((a * b).sum() / scale) if scale else math.nan


def cluster_bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    clusters: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Bootstrap percentile interval of a statistic. Whole clusters, such as models, are resampled with all their rows.

    Parameters
    ----------
    statistic : rows -> float
        A function that takes row numbers and computes the statistic from these rows. In a resample, a row number can
        occur several times. NaN results are left out.
    clusters : labels (n,)
        The cluster of each row, for example its model. Rows of one model are not independent, but models are.
    strata : labels (n,), optional
        Clusters are drawn within each stratum, so every resample has the same number of clusters per stratum. A cluster
        belongs to one stratum.
    level, resamples, seed

    Returns
    -------
    Interval around the statistic of all rows. The limits are NaN if fewer than half of the resamples have a value.

    Source: Davison and Hinkley, Bootstrap methods and their application, 1997, section 3.8.

    >>> values = np.array([1.0, 1.2, 3.0, 3.1, 2.0, 2.2])
    >>> cluster_bootstrap(lambda rows: values[rows].mean(), [0, 0, 1, 1, 2, 2])
    Interval(value=2.08..., lower=1.1..., upper=3.05...)
    """
    check_level(level)
    names = np.asarray(clusters)
    if names.ndim != 1 or not len(names):
        raise InputError(f"expected one cluster per row, got shape {names.shape}; name the model of each row")
    unique, first, index = np.unique(names, return_index=True, return_inverse=True)
    rows_of = [np.flatnonzero(index == c) for c in range(len(unique))]
    groups = np.zeros(len(unique), dtype=int) if strata is None else np.asarray(strata)[first]
    parts = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    picks = rng(seed, "cluster bootstrap")
    found = np.empty(resamples)
    for b in range(resamples):
        drawn = np.concatenate([part[picks.integers(0, len(part), len(part))] for part in parts])
        found[b] = statistic(np.concatenate([rows_of[int(c)] for c in drawn]))
    found = found[np.isfinite(found)]
    value = float(statistic(np.arange(len(names))))
    if len(found) < resamples / 2:
        return Interval(value, math.nan, math.nan)
    lower, upper = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(lower), float(upper))
