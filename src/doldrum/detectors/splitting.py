"""Which clean inputs a detector is fitted on, and which calibrate it: never the same."""

from __future__ import annotations

from doldrum.data import ImageSet
from doldrum.seeds import rng

__all__ = ["fit_and_calibration"]


def fit_and_calibration(clean: ImageSet, fit: int) -> tuple[ImageSet, ImageSet]:
    """`fit` of the clean inputs, drawn at random but always alike, and the others.

    >>> import numpy as np
    >>> clean = ImageSet(np.zeros((10, 1, 2, 2), np.uint8))
    >>> [len(part) for part in fit_and_calibration(clean, 4)]
    [4, 6]
    """
    order = rng(0, "fit and calibration").permutation(len(clean))
    return clean.take(order[:fit]), clean.take(order[fit:])
