"""Two classifiers on the same images: whether one is right more often."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from doldrum.errors import InputError
from doldrum.stats._special import betainc

__all__ = ["mcnemar"]


def mcnemar(first: ArrayLike, second: ArrayLike) -> float:
    """One-sided p-value of "the first is right no more often than the second", exact.

    p = P(Bin(n, 1/2) >= x), where x images are right with the first alone, and n with one of the two alone.

    Parameters
    ----------
    first, second : booleans (N,)
        Whether each image was right, in the same order.

    Returns
    -------
    float in (0, 1]; 1 if no image tells them apart. Raises InputError for other shapes or types.

    Source: McNemar, Psychometrika 1947; the exact form.

    >>> mcnemar([True] * 5 + [False], [False] * 5 + [True])  # 5 to 1: (1 + 6) / 2^6
    0.109375
    """
    a, b = np.asarray(first), np.asarray(second)
    if a.dtype != bool or b.dtype != bool or a.ndim != 1 or a.shape != b.shape:
        raise InputError(
            f"expected two rows of booleans of one length, got {a.dtype} {a.shape} and {b.dtype} {b.shape}"
        )
    alone, other = int((a & ~b).sum()), int((b & ~a).sum())
    return float(betainc(alone, other + 1, 0.5)) if alone else 1.0
