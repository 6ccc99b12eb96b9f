"""Inputs read a slice at a time: an ImageSet, an array, or anything with a shape that gives slices."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.pixels import SCALES, check_pixels

__all__ = ["Inputs", "Stream"]


class Stream(Protocol):
    """Images (N, C, H, W) of which slices are read, such as :class:`doldrum.measuring.collected.StoredImages`."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


class Inputs:
    """N images (C, H, W). Arrays and ImageSets are checked whole; a stream (`shape` and slices) as it is read.

    A stream is never held: memory has the slices under way, and ids are made as they are needed. It may have `ids` and
    `content_hash()` of its own, as an ImageSet has.
    """

    def __init__(self, images: Any) -> None:
        stream = not isinstance(images, np.ndarray) and hasattr(images, "shape") and hasattr(images, "__getitem__")
        self._source: Any = images if stream or isinstance(images, ImageSet) else ImageSet(as_images(images))
        self._checked = isinstance(self._source, ImageSet)
        self._images = self._source.images if self._checked else self._source
        self._ids = getattr(self._source, "ids", None)
        self.shape = tuple(int(s) for s in self._images.shape)
        if len(self.shape) != 4 or 0 in self.shape:
            raise InputError(f"expected images of shape (N, C, H, W), none of them 0, got {self.shape}")

    def __len__(self) -> int:
        return self.shape[0]

    def block(self, start: int, stop: int) -> tuple[NDArray[Any], list[str]]:
        """Images and ids start..stop; InputError when a stream gives another shape or pixels out of range."""
        stop = min(stop, len(self))
        images = np.asarray(self._images[start:stop])
        if images.shape != (stop - start, *self.shape[1:]):
            raise InputError(f"expected images of shape {(stop - start, *self.shape[1:])}, got {images.shape}")
        ids = [str(i) for i in (range(start, stop) if self._ids is None else self._ids[start:stop])]
        if not self._checked:
            check_pixels(images, ids=ids)
        return images, ids

    def spread(self, count: int) -> NDArray[Any]:
        """At most `count` images, evenly spread over the inputs."""
        places = np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).astype(int))
        return np.concatenate([self.block(int(i), int(i) + 1)[0] for i in places])

    def fingerprint(self) -> str:
        """SHA-256 of all pixels; of a stream without a `content_hash`, of its shape and 32 of its images."""
        if hasattr(self._source, "content_hash"):
            return self._source.content_hash()
        digest = hashlib.sha256(str(self.shape).encode())
        digest.update(np.ascontiguousarray(self.spread(32)).tobytes())
        return digest.hexdigest()


def as_images(images: Any) -> NDArray[Any]:
    """Check that an array is NCHW, of pixels of a known range; their values are checked by ImageSet."""
    if isinstance(images, np.ma.MaskedArray):
        raise InputError("expected an array of pixels, got a masked array; fill what is masked")
    array = np.asarray(images)
    if array.ndim != 4:
        raise InputError(f"expected images of shape (N, C, H, W), got {array.shape}; add the missing axes")
    if array.dtype in SCALES:
        return array
    if array.dtype.kind != "f":
        raise InputError(f"expected uint8, uint16 or float pixels, got {array.dtype}; convert with .astype")
    return array.astype(np.float32, copy=False)
