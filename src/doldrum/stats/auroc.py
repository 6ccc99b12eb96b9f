"""The area under the ROC curve, computed from ranks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from doldrum.stats.correlation import mid_ranks

__all__ = ["auroc"]


def auroc(clean: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The AUROC: the chance that a score of `other` (M,) is above a score of `clean` (N,), with ties counted half.

    NaN if either array is empty.

    >>> auroc(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    0.875
    """
    if not len(clean) or not len(other):
        return math.nan
    ranks = mid_ranks(np.concatenate([clean, other]))[len(clean) :]
    return float((ranks.sum() - len(other) * (len(other) + 1) / 2) / (len(clean) * len(other)))
