"""Layouts and ranges of pixel arrays. Only this file converts pixels to float32 in [0, 1]."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError

__all__ = ["HOW_PIXELS", "SCALES", "as_nchw", "check_pixels", "digest_of_image", "to_float"]

HOW_PIXELS = "convert the pixels to uint8, or to floats in [0, 1]"
"""The end of error messages about a wrong type of pixels, in an array or in a file."""
SCALES: dict[np.dtype[Any], int] = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


def to_float(images: NDArray[Any]) -> NDArray[np.float32]:
    """Convert images to float32 in [0, 1]: uint8 is divided by 255, uint16 by 65535, and floats keep their values.

    Returns a new array. Raises InputError for pixels of another type, because the range of their values is not known.
    :class:`doldrum.data.ImageSet` checks the values of floats.

    >>> to_float(np.array([0, 51, 255], dtype=np.uint8)).tolist()
    [0.0, 0.20000000298023224, 1.0]
    """
    array = np.asarray(images)
    if array.dtype not in SCALES and array.dtype.kind != "f":
        raise InputError(f"expected uint8, uint16 or float pixels, got {array.dtype}; {HOW_PIXELS}")
    scale = SCALES.get(array.dtype)
    floats = array.astype(np.float32)
    return floats if scale is None else np.divide(floats, np.float32(scale), out=floats)


def digest_of_image(image: NDArray[np.float32]) -> str:
    """A hash (BLAKE2b, 16 hexadecimal digits) of an image's pixels after `to_float`, to recognise the image in another
    run.

    >>> digest_of_image(np.zeros((1, 2, 2), np.float32))
    '5250a507f994740e'
    """
    return hashlib.blake2b(np.ascontiguousarray(image, dtype=np.float32).tobytes(), digest_size=8).hexdigest()


def check_pixels(images: NDArray[Any], *, ids: Sequence[Any] | None = None, block: int = 4096) -> None:
    """Raise InputError unless pixels are uint8, uint16 or finite floats in [0, 1]. The images are checked in blocks of
    `block` images.

    With `ids`, one per image, the error names the first images with wrong pixels.
    """
    if isinstance(images, np.ma.MaskedArray):
        raise InputError("expected plain pixels, got a masked array; fill the masked pixels with .filled(0)")
    if images.dtype in SCALES:
        return
    if images.dtype.kind != "f":
        raise InputError(f"expected uint8, uint16 or float pixels, got {images.dtype}; {HOW_PIXELS}")
    for start in range(0, len(images), block):
        part = images[start : start + block]
        low, high = float(part.min()), float(part.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            where = _named(~np.isfinite(part), ids, start)
            raise InputError(f"expected finite pixels, got NaN or infinities{where}; fix the images or leave them out")
        if low < 0 or high > 1:
            hint = (
                "divide by 255"
                if low >= 0 and high <= 255
                else "undo the normalisation, because the normalisation belongs to the model"
            )
            where = _named((part < 0) | (part > 1), ids, start)
            raise InputError(f"expected pixels in [0, 1], got {low:g} to {high:g}{where}; {hint}")


def _named(wrong: NDArray[np.bool_], ids: Sequence[Any] | None, start: int) -> str:
    """Return the text " in image a, b, c, …", with the ids of the first images with wrong pixels; "" if `ids` is
    None."""
    if ids is None:
        return ""
    found = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
    return f" in image {', '.join(str(ids[start + int(i)]) for i in found[:3])}{', …' if len(found) > 3 else ''}"


def as_nchw(images: Any) -> NDArray[Any]:
    """Convert an array to (N, C, H, W): (N, H, W) gets a channel axis, and (N, H, W, C) with C of 1 or 3 is transposed.

    Numbers of channels other than 1 and 3 are accepted if the channels come first and are not more than the height or
    the width. Raises InputError if the array fits both layouts or no layout, or seems to be a single image.

    >>> as_nchw(np.zeros((5, 32, 32, 3), np.uint8)).shape, as_nchw(np.zeros((5, 28, 28), np.uint8)).shape
    ((5, 3, 32, 32), (5, 1, 28, 28))
    """
    array = np.asarray(images) if not isinstance(images, np.ndarray) else images
    if array.ndim == 3:
        if array.shape[2] in (1, 3) and array.shape[1] != array.shape[2]:
            raise InputError(
                f"expected images of shape (N, H, W), got shape {array.shape}, which seems to be one image; add a first axis of length 1"
            )
        return array[:, None]
    if array.ndim != 4:
        raise InputError(
            f"expected images of shape (N, C, H, W), got {array.shape}; if it is one image, add a first axis of length 1"
        )
    first, last = array.shape[1] in (1, 3), array.shape[3] in (1, 3)
    if first and last and array.shape[1:] != (1, 1, 1):
        raise InputError(
            f"expected images (N, C, H, W) or (N, H, W, C), got shape {array.shape}, which fits both layouts; transpose the images"
        )
    if last and not first:
        return array.transpose(0, 3, 1, 2)
    if not first and array.shape[1] > min(array.shape[2:]):
        raise InputError(
            f"expected 1 or 3 channels, got images of shape {array.shape}; drop an alpha channel, or put channels first"
        )
    return array
