"""Surprise: values of any scale made comparable, by how few clean inputs have as high a one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["EXPONENTIAL", "Surprise"]

EXPONENTIAL = 1 / math.log(5)
"""Mean excess over the 90th percentile, by that percentile's distance from the median, of an exponential distribution."""
_TAIL, _WORTH = 0.1, 10.0


class Surprise:
    """-log of the share of clean inputs with as high a value, column by column: 0 is the lowest of all, 4.6 one in a hundred.

    Above the 90th percentile the tail is taken as exponential, so that it goes on where the clean inputs end. Its mean excess is that of
    the tenth of the inputs that are there, with 10 inputs' worth of what the body of the distribution lets expect: `shape` times
    the distance of the 90th percentile from the median. Of 40 inputs 4 are there, whose mean alone would be luck.

    Parameters
    ----------
    reference : float64 (n, columns)
        What clean inputs have.
    shape : float, or one a column
        By default that of an exponential distribution, 0.62.

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
