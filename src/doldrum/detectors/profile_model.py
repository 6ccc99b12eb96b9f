"""The model behind SmoothnessProfile: how likely counts of labels are around clean inputs, and around triggered ones.

Everything here is NumPy on counts (N, C, K) of one family of perturbations: N inputs, C strengths, K classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["calm", "class_rates", "log_alternative", "log_likelihood", "log_sum", "smoothed", "survivals"]

Counts = NDArray[np.float64]
_KEEP = 0.97  # chance that a trigger which survives a strength decides a draw's label


def class_rates(counts: Counts, labels: NDArray[np.int16], num_classes: int, *, weight: float = 5.0) -> Counts:
    """Rates (K, C, K): how often each label comes back around clean inputs of each base label.

    Of a base label's draws, pooled, with `weight` draws' worth of the rates over all inputs mixed in.
    """
    overall = counts.sum(axis=0) + 0.5
    overall /= overall.sum(axis=-1, keepdims=True)
    rates = np.empty((num_classes, *counts.shape[1:]))
    for k in range(num_classes):
        total = counts[labels == k].sum(axis=0)
        rates[k] = (total + weight * overall) / (total.sum(axis=-1, keepdims=True) + weight)
    return rates


def smoothed(counts: Counts, labels: NDArray[np.int16], rates: Counts, *, weight: float = 1.0) -> Counts:
    """Label probabilities (N, C, K) of clean inputs: their counts with `weight` draws' worth of their class's rates."""
    return (counts + weight * rates[labels]) / (counts.sum(axis=-1, keepdims=True) + weight)


def survivals(conditions: int) -> Counts:
    """(Q, C) chances that a trigger decides the label at each strength, weakest first: falling from .97 to 0.

    None; up to the i-th strength; up to the i-th and half of the draws at the next; half of the draws at the first; .7
    of them at all.
    """
    rows = [[0.0] * conditions, [0.5] + [0.0] * (conditions - 1), [0.7] * conditions]
    for i in range(1, conditions + 1):
        rows.append([_KEEP] * i + [0.0] * (conditions - i))
        if i < conditions:
            rows.append([_KEEP] * i + [0.5] + [0.0] * (conditions - i - 1))
    return np.unique(np.array(rows), axis=0)


def log_likelihood(counts: Counts, logs: Counts) -> Counts:
    """(N, M): log likelihood of each input's counts around each of M clean inputs, `logs` = log p (M, C, K).

    sum_ck counts log p, one input at a time: a larger matrix product may round differently. Labels that didn't come back
    are left out where they are most.
    """
    flat = np.ascontiguousarray(logs.reshape(len(logs), -1))
    out = np.empty((len(counts), len(logs)))
    for n, row in enumerate(counts.reshape(len(counts), -1)):
        seen = np.flatnonzero(row)
        out[n] = flat[:, seen] @ row[seen] if 4 * len(seen) < len(row) else flat @ row
    return out


def log_alternative(likelihood: Counts, counts: Counts, probabilities: Counts, target: int) -> Counts:
    """(N, M): the same were each of the M clean inputs, `probabilities` (M, C), to carry a trigger for `target`.

    A draw's label is `target` with the trigger's chance q of surviving the perturbation, else the clean input's: p becomes
    (1 - q) p, and at `target` q + (1 - q) p. Averaged over the rows of `survivals`, since nobody knows how a trigger fares
    under this family. `likelihood` (N, M) is `log_likelihood` of the same counts and inputs, and `probabilities` theirs of
    `target` alone.
    """
    towards = counts[:, :, target]
    elsewhere = counts.sum(axis=-1) - towards
    rows = survivals(counts.shape[1])
    rest = likelihood - _outer(towards, np.log(probabilities))
    parts = [
        rest + (elsewhere * np.log1p(-q)).sum(axis=1)[:, None] + _outer(towards, np.log(q + (1 - q) * probabilities))
        for q in rows
    ]
    return log_sum(np.stack(parts), axis=0) - np.log(len(rows))


def log_sum(logs: Counts, *, axis: int) -> Counts:
    """log sum exp of real numbers of which some are finite; SciPy's logsumexp takes half of a score's time for what isn't needed here."""
    most = logs.max(axis=axis, keepdims=True)
    return np.log(np.exp(logs - most).sum(axis=axis)) + most.squeeze(axis)


def calm(counts: Counts, labels: NDArray[np.int16]) -> NDArray[np.float64]:
    """(N,): share of the draws, over all strengths, that kept the base label; in [0, 1], 0 where no draw was valid."""
    kept = np.take_along_axis(counts, labels[:, None, None].astype(np.int64), axis=2).sum(axis=(1, 2))
    return kept / np.maximum(counts.sum(axis=(1, 2)), 1)


def _outer(counts: Counts, logs: Counts) -> Counts:
    """sum_c counts (N, C) logs (M, C), a condition at a time, so that an input's sum doesn't depend on its company."""
    return np.sum([counts[:, c, None] * logs[:, c] for c in range(counts.shape[1])], axis=0)
