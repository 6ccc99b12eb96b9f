"""Choose the place of a square, and check the images and the budget of a pattern."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.pixels import to_float
from doldrum.seeds import rng
from doldrum.triggers.masked import MaskedPattern
from doldrum.triggers.patch import CORNERS, corner_slices

__all__ = ["ANYWHERE", "check_budget", "checked_images", "in_place", "place_for"]

ANYWHERE = "anywhere"
"""The name of a random place, drawn with the seed, at which the whole square is inside the image."""


def checked_images(images: Any) -> NDArray[np.float32]:
    """The images as float32 (N, C, H, W) in [0, 1].

    Raises InputError if there is no image, if the array has another shape, or if values are outside [0, 1].
    """
    array = np.asarray(images)
    if array.ndim != 4 or not array.size:
        raise InputError(
            f"expected an array (N, C, H, W) with at least one image, got shape {array.shape}; pass some images"
        )
    floats = to_float(array)
    if not (floats.min() >= 0 and floats.max() <= 1):
        raise InputError(f"expected images in [0, 1], got {floats.min():g} to {floats.max():g}; divide by 255")
    return floats


def check_budget(budget: float) -> None:
    """Raise InputError unless the budget, the largest change of a pixel value, is in (0, 1]."""
    if not 0 < budget <= 1:
        raise InputError(f"expected a budget in (0, 1], got {budget}; the budget is a share of the pixel range")


def place_for(shape: tuple[int, ...], *, size: int, place: str, seed: int) -> tuple[slice, slice]:
    """The rows and columns of a square in an image of shape (H, W). The square is in a corner, or at a random place
    that the seed determines.

    >>> place_for((28, 28), size=4, place="upper right", seed=0)
    (slice(0, 4, None), slice(24, 28, None))
    """
    height, width = shape
    if not 1 <= size <= min(height, width):
        raise InputError(f"expected a size of 1 to {min(height, width)} pixels, got {size}; change the size")
    if place == ANYWHERE:
        top, left = (int(rng(seed, "place", axis).integers(side - size + 1)) for axis, side in enumerate(shape))
        return slice(top, top + size), slice(left, left + size)
    if place not in CORNERS:
        raise InputError(f"expected a place among {', '.join((*CORNERS, ANYWHERE))}, got {place!r}; pick one")
    return corner_slices((height, width), size=size, corner=place, margin=0)


def in_place(
    values: NDArray[Any], where: tuple[slice, slice], shape: tuple[int, ...], *, cover: NDArray[Any] | None = None
) -> MaskedPattern:
    """A trigger that writes the pixels `values` (C, size, size) into images of shape (C, H, W), at the rows and columns
    `where`.

    Pixels are written only where the array `cover` (size, size) is 1. By default, `cover` is 1 everywhere.
    """
    mask = np.zeros(shape[1:], dtype=np.float32)
    mask[where] = 1 if cover is None else cover
    pattern = np.zeros(shape, dtype=np.float32)
    pattern[(slice(None), *where)] = values
    return MaskedPattern(mask=mask, pattern=pattern)
