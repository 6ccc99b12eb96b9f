"""Read inputs slice by slice from an ImageSet, an array, or any other object that has a `shape` and gives slices."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.data import ImageRead, Images, ImageSet, read_stream
from doldrum.data.readers.objects import gives_slices
from doldrum.errors import InputError
from doldrum.pixels import check_pixels

__all__ = ["Inputs", "Stream", "wanted_by"]


class Stream(Protocol):
    """Images (N, C, H, W) that are read in slices, such as :class:`doldrum.measuring.collected.StoredImages`."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


class Inputs:
    """N images (C, H, W).

    A stream (anything with `shape` and slices) is checked while it is read; `data.read_stream` reads all other sources.

    A stream is never in memory as a whole: only the slices that are being measured are in memory. A stream may have its
    own `ids` and `content_hash()`, like an ImageSet. If a stream has no `ids`, its images get the ids "0", "1", ….
    Other sources (torch Datasets, lists, generators, …) are read once into an array, which is kept in a file if it is
    large. `skipped` lists the items that could not be read, as (id, reason). `notes` tells how images were changed when
    they were read.
    """

    def __init__(self, images: Images, classifier: Classifier | None = None) -> None:
        self.skipped: tuple[tuple[str, str], ...] = ()
        self.notes: tuple[str, ...] = ()
        self._source: Any = images
        if not _is_stream(images):
            read = read_stream(images, **({} if classifier is None else wanted_by(classifier)))
            self._source, self.skipped, self.notes = read.images, read.skipped, read.notes
        self._checked = isinstance(self._source, ImageSet)
        self._images = self._source.images if self._checked else self._source
        self._ids = getattr(self._source, "ids", None)
        self.shape = tuple(int(s) for s in self._images.shape)
        if len(self.shape) != 4 or 0 in self.shape:
            raise InputError(f"expected images of shape (N, C, H, W), with no size of 0, got {self.shape}")

    def __len__(self) -> int:
        return self.shape[0]

    def check_whole(self) -> None:
        """Raise InputError if any of the images could not be read."""
        if not _is_stream(self._source):
            ImageRead(self._source, self.skipped).whole()

    def block(self, start: int, stop: int) -> tuple[NDArray[Any], list[str]]:
        """The images with the numbers `start` to `stop` - 1, and their ids. Raises InputError if a stream gives another
        shape, or pixels out of range."""
        stop = min(stop, len(self))
        images = np.asarray(self._images[start:stop])
        if images.shape != (stop - start, *self.shape[1:]):
            raise InputError(
                f"expected a batch of images with shape {(stop - start, *self.shape[1:])}, got shape {images.shape}"
            )
        ids = [str(i) for i in (range(start, stop) if self._ids is None else self._ids[start:stop])]
        if not self._checked:
            check_pixels(images, ids=ids)
        return images, ids

    def spread(self, count: int) -> NDArray[Any]:
        """At most `count` images, spread evenly over the inputs."""
        places = np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).astype(int))
        return np.concatenate([self.block(int(i), int(i) + 1)[0] for i in places])

    def fingerprint(self) -> str:
        """SHA-256 of all pixels.

        For a stream without a `content_hash`, only its shape and 32 of its images are hashed.
        """
        if hasattr(self._source, "content_hash"):
            return self._source.content_hash()
        digest = hashlib.sha256(str(self.shape).encode())
        digest.update(np.ascontiguousarray(self.spread(32)).tobytes())
        return digest.hexdigest()


def wanted_by(classifier: Classifier) -> dict[str, Any]:
    """The arguments for `data.read_stream` that make images fit a classifier: the classifier's input shape, and its own
    preprocessing if there is any."""
    return {"shape": classifier.input_shape, "fit": getattr(classifier, "images", None)}


def _is_stream(images: Any) -> bool:
    return gives_slices(images) and not isinstance(images, (np.ndarray, ImageSet)) and not hasattr(images, "detach")
