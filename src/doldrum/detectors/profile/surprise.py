"""Surprise: puts values of different scales on one scale. The surprise of a value depends on the share of clean inputs
whose value is at least as high."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["EXPONENTIAL", "Surprise"]

EXPONENTIAL = 1 / math.log(5)
"""For an exponential distribution: the mean excess over the 90th percentile, divided by the distance from the median to
the 90th percentile."""
_TAIL, _WORTH = 0.1, 10.0


class Surprise:
    """The surprise of a value: -log of the share of clean inputs with at least this value. Each column is treated
    separately. The lowest value has a surprise of 0, and a value that one clean input in a hundred reaches has a
    surprise of 4.6.

    Above the 90th percentile the distribution is assumed to be exponential, so that values above all clean inputs can
    be compared too. The mean excess of the exponential distribution is estimated from the inputs above the 90th
    percentile. This estimate of the mean excess is mixed with an expected excess, which counts as much as 10 inputs.
    The expected excess is `shape` times the distance of the 90th percentile from the median. The expected excess is
    needed if there are few inputs: of 40 inputs, only 4 are above the percentile, and the mean of 4 values is mostly
    chance.

    Parameters
    ----------
    reference : float64 (n, columns)
        The values of clean inputs, one row per input.
    shape : float, or one number per column
        The factor for the expected excess. The default is 0.62, the value for an exponential distribution.

    >>> s = Surprise(np.arange(100.0)[:, None])
    >>> s(np.array([[50.0], [89.0], [1000.0]])).round(2).ravel().tolist()
    [0.68, 2.13, 63.02]
    """

    def __init__(self, reference: NDArray[np.float64], shape: ArrayLike = EXPONENTIAL) -> None:
        self.sorted = np.sort(reference, axis=0)
        self.start = np.quantile(self.sorted, 1 - _TAIL, axis=0)
        above = self.sorted > self.start
        excess = np.where(above, self.sorted - self.start, 0).sum(axis=0)
        expected = np.asarray(shape) * (self.start - np.quantile(self.sorted, 0.5, axis=0))
        self.excess = np.maximum((excess + _WORTH * expected) / (above.sum(axis=0) + _WORTH), 0.05)

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        n, below = len(self.sorted), np.empty(values.shape)
        for j in range(values.shape[1]):
            below[:, j] = self.sorted[:, j].searchsorted(values[:, j], side="left")
        share = (1 + n - below) / (n + 1)
        tail = (values - self.start) / self.excess - np.log(_TAIL)
        return np.where(values > self.start, tail, -np.log(np.maximum(share, _TAIL)))
