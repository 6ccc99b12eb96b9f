"""Comparisons of two classifiers on the same images: is one of them right more often, and by how much?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.errors import InputError
from doldrum.stats._counts import check_level
from doldrum.stats._special import betainc, ndtri
from doldrum.stats.proportions import Interval

__all__ = ["mcnemar", "paired_difference"]


def mcnemar(first: ArrayLike, second: ArrayLike) -> float:
    """Exact one-sided p-value of the hypothesis "the first classifier is right no more often than the second".

    p = P(Bin(n, 1/2) >= x). Here n is the number of images that exactly one of the two classifiers gets right, and x is
    the number of these images that the first classifier gets right.

    Parameters
    ----------
    first, second : booleans (N,)
        `first[i]` and `second[i]` say whether the first and the second classifier were right on image i.

    Returns
    -------
    float in (0, 1]; 1 if there is no image that only the first classifier gets right. Raises InputError for other
    shapes or types.

    Source: McNemar, Psychometrika 1947; this is the exact form of the test.

    >>> mcnemar([True] * 5 + [False], [False] * 5 + [True])  # 5 to 1: (1 + 6) / 2^6
    0.109375
    """
    a, b = _rows(first, second)
    alone, other = int((a & ~b).sum()), int((b & ~a).sum())
    return float(betainc(alone, other + 1, 0.5)) if alone else 1.0


def paired_difference(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> Interval:
    """The share of True in `second`, minus the share of True in `first`, with an interval.

    Let p1 and p2 be the shares of True in `first` and `second`, and let d = p2 - p1. Newcombe's limits of d combine
    Wilson's limits (l1, u1) of p1 and (l2, u2) of p2 with the correlation r of `first` and `second`. The lower limit is
    d - sqrt(a^2 - 2 r a b + b^2) with a = p2 - l2 and b = u1 - p1. The upper limit is d + sqrt(a^2 - 2 r a b + b^2)
    with a = u2 - p2 and b = p1 - l1.

    Parameters
    ----------
    first, second : booleans (N,)
        One entry per image, in the same order; N is at least 1.
    level : float in (0, 1)

    Returns
    -------
    Interval in [-1, 1]. The coverage is about `level`, even with few images. Raises InputError for other shapes or
    types, or if there is no image.

    Source: Newcombe, Improved confidence intervals for the difference between binomial proportions based on paired data, Statistics in Medicine 1998, method 10.

    >>> found = paired_difference([True] * 90 + [False] * 10, [True] * 88 + [False] * 12)
    >>> round(found.value, 3), round(found.lower, 3), round(found.upper, 3)
    (-0.02, -0.066, 0.021)
    """
    a, b = _rows(first, second)
    check_level(level)
    if not len(a):
        raise InputError("expected at least one image to compare two models on, got none; give at least one")
    z = float(ndtri((1 + level) / 2))
    (p1, l1, u1), (p2, l2, u2) = _wilson(a, z), _wilson(b, z)
    r = _correlation(a, b)
    down = math.sqrt(max(0.0, (p2 - l2) ** 2 - 2 * r * (p2 - l2) * (u1 - p1) + (u1 - p1) ** 2))
    up = math.sqrt(max(0.0, (u2 - p2) ** 2 - 2 * r * (u2 - p2) * (p1 - l1) + (p1 - l1) ** 2))
    return Interval(p2 - p1, max(-1.0, p2 - p1 - down), min(1.0, p2 - p1 + up))


def _wilson(hits: NDArray[np.bool_], z: float) -> tuple[float, float, float]:
    """The share of hits, and Wilson's lower and upper limit of this share."""
    n, p = len(hits), float(hits.mean())
    middle, half = (
        (p + z * z / (2 * n)) / (1 + z * z / n),
        z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n),
    )
    return p, min(p, max(0.0, middle - half)), max(p, min(1.0, middle + half))


def _correlation(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """The correlation of two rows of booleans; 0 if a row is constant. A positive correlation is lowered, as in
    Newcombe's method 10."""
    both, neither = int((a & b).sum()), int((~a & ~b).sum())
    one, other = int((a & ~b).sum()), int((~a & b).sum())
    product = math.sqrt(a.sum()) * math.sqrt((~a).sum()) * math.sqrt(b.sum()) * math.sqrt((~b).sum())
    top = both * neither - one * other
    return 0.0 if not product else (max(top - len(a) / 2, 0) if top > 0 else top) / product


def _rows(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    a, b = np.asarray(first), np.asarray(second)
    if a.dtype != bool or b.dtype != bool or a.ndim != 1 or a.shape != b.shape:
        raise InputError(
            f"expected two lists of booleans of the same length, got arrays of {a.dtype} and {b.dtype} of shape {a.shape} and {b.shape}"
        )
    return a, b
