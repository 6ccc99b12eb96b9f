"""AUROC of scores, for the studies that compare detectors or rankings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doldrum.stats.correlation import mid_ranks

__all__ = ["auroc"]


def auroc(clean: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Chance that one of `other` scores above one of `clean`, ties counted half.

    >>> auroc(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    0.875
    """
    ranks = mid_ranks(np.concatenate([clean, other]))[len(clean) :]
    return float((ranks.sum() - len(other) * (len(other) + 1) / 2) / (len(clean) * len(other)))
