"""Pixels to float32 in [0, 1]: the one place where they are divided."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError

__all__ = ["SCALES", "to_float"]

SCALES = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


def to_float(images: NDArray[Any]) -> NDArray[np.float32]:
    """float32 images in [0, 1]: uint8 is divided by 255, uint16 by 65535, floats stay as they are.

    Gives a new array. Raises InputError for other types, whose range is not known; the values of floats are checked by
    :class:`doldrum.data.ImageSet`.

    >>> to_float(np.array([0, 51, 255], dtype=np.uint8)).tolist()
    [0.0, 0.20000000298023224, 1.0]
    """
    array = np.asarray(images)
    if array.dtype not in SCALES and array.dtype.kind != "f":
        raise InputError(f"expected uint8, uint16 or float pixels, got {array.dtype}; convert with .astype")
    scale = SCALES.get(array.dtype)
    floats = array.astype(np.float32)
    return floats if scale is None else np.divide(floats, np.float32(scale), out=floats)
