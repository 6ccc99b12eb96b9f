"""ImageSet: images with their labels, ids and class names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.pixels import check_pixels

__all__ = ["ImageSet"]

_MOST_CLASSES = 1 << 20  # a higher label is no class number, and naming so many would fill the memory


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with their labels, ids and class names. Everything is checked when the ImageSet is created.

    Parameters
    ----------
    images : array (N, C, H, W)
        Pixels as uint8, uint16, or floats in [0, 1]; may be memory-mapped.
    labels : int array (N,), optional
        True classes, from 0 up.
    ids : N strings, optional
        Names of the images; default "0", "1", ….
    class_names : strings, optional
        Default: "0", "1", … up to the highest label.
    name : str
        Name of the set in messages and records.

    Raises InputError for NaN, pixels out of range, an empty set, a size of 0, or lengths that don't match.

    >>> s = ImageSet(np.zeros((3, 1, 2, 2), np.uint8), labels=[0, 1, 1])
    >>> len(s), s.input_shape, s.num_classes, s.take([2]).ids
    (3, (1, 2, 2), 2, ('2',))
    >>> s
    ImageSet(3 images of 1 x 2 x 2, uint8, 2 classes)
    """

    images: NDArray[Any]
    labels: NDArray[np.int64] | None = None
    ids: Sequence[str] = ()
    class_names: Sequence[str] = ()
    name: str = ""

    def __post_init__(self) -> None:
        images = self.images if isinstance(self.images, np.ndarray) else np.asarray(self.images)
        if images.ndim != 4:
            raise InputError(f"expected images of shape (N, C, H, W), got {images.shape}; see data.as_nchw")
        if 0 in images.shape:
            raise InputError(
                f"expected at least one image with pixels, got shape {images.shape}; check the source of the images"
            )
        ids = tuple(str(i) for i in self.ids) if len(self.ids) else tuple(str(i) for i in range(len(images)))
        if len(ids) != len(images):
            raise InputError(f"expected {len(images)} ids, got {len(ids)}; pass one id per image")
        check_pixels(images, ids=ids)
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "ids", ids)
        if self.labels is not None:
            labels = np.asarray(self.labels)
            if labels.shape != (len(images),):
                raise InputError(f"expected {len(images)} labels, got shape {labels.shape}; pass one label per image")
            if labels.dtype.kind not in "iu":
                raise InputError(f"expected class numbers (integers from 0 up), got {labels.dtype}; number the classes")
            lowest, highest = int(labels.min()), int(labels.max())
            if lowest < 0 or highest >= _MOST_CLASSES:
                raise InputError(f"expected class numbers from 0 up, got {lowest} to {highest}; number the classes")
            object.__setattr__(self, "labels", labels.astype(np.int64))
            names = tuple(str(n) for n in self.class_names) or tuple(str(k) for k in range(highest + 1))
            if highest >= len(names):
                raise InputError(
                    f"expected labels below {len(names)}, the number of class names, got {highest}; name every class, or number them from 0"
                )
            object.__setattr__(self, "class_names", names)
        else:
            object.__setattr__(self, "class_names", tuple(str(n) for n in self.class_names))

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.input_shape))
        classes = f", {self.num_classes} classes" if self.labels is not None else ", no labels"
        name = f"{self.name!r}, " if self.name else ""
        return f"{type(self).__name__}({name}{len(self):,} images of {shape}, {self.images.dtype}{classes})"

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        _, c, h, w = self.images.shape
        return c, h, w

    @property
    def num_classes(self) -> int:
        """Number of class names; 0 if the set has neither labels nor class names."""
        return len(self.class_names)

    def take(self, indices: Sequence[int] | NDArray[Any] | range) -> ImageSet:
        """The images at `indices`, in the given order, with their labels and ids. `indices` can also be a boolean mask.

        A range with step 1 gives a view, so that a memory-mapped array is not loaded. If `indices` is anything but a
        range with step 1, the images are copied.

        Raises InputError for indices that are out of range or of another type, and for an empty list.
        """
        chosen = np.asarray(indices)
        if chosen.ndim != 1 or not len(chosen):
            raise InputError(
                f"expected a list of at least one index, got shape {chosen.shape}; an ImageSet cannot be empty"
            )
        try:
            index = np.arange(len(self))[chosen]
        except IndexError as error:
            raise InputError(
                f"expected indices below {len(self)}, the number of images, got indices out of range or of a wrong type ({error}); check the indices"
            ) from error
        rows: Any = index
        if isinstance(indices, range) and indices.step == 1 and indices.start >= 0:
            rows = slice(indices.start, indices.stop)
        labels = None if self.labels is None else self.labels[rows]
        return ImageSet(self.images[rows], labels, tuple(self.ids[int(i)] for i in index), self.class_names, self.name)

    def content_hash(self) -> str:
        """SHA-256 of shape, type, pixels and labels."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        digest = hashlib.sha256(f"{self.images.shape}{self.images.dtype}".encode())
        for start in range(0, len(self), 4096):
            digest.update(np.ascontiguousarray(self.images[start : start + 4096]).tobytes())
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        return digest.hexdigest()
