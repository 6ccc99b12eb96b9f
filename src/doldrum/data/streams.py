"""Read images from Python objects: turn a torch Dataset, a list, a generator, … into an ImageSet.

Each image is read once, in the order of the source, and all images are stored in one array. A small array is kept in
memory, and a larger array in an unnamed file in the cache folder (:mod:`doldrum.data.store`). So the use of memory does
not grow with the number of images. A random transform is applied only once, so that all later measurements use the same
pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from doldrum.data.imageset import ImageSet
from doldrum.data.readers.folder import ImageRead
from doldrum.data.readers.objects import (
    Failed,
    class_names_of,
    gives_slices,
    is_source,
    loader_notes,
    name_of,
    unit_of,
    values_of,
)
from doldrum.data.readers.values import array_of, expanded, fitted_array, fitted_picture, is_picture
from doldrum.data.store import PixelStore
from doldrum.errors import InputError
from doldrum.pixels import HOW_PIXELS, SCALES

__all__ = ["Fit", "Images", "as_image_set", "as_images", "as_labelled", "read_stream"]

Images = Any
"""Type of all arguments that take images: an ImageSet, an array or tensor (N, C, H, W), or any source that `read_stream` reads."""

Fit = Callable[[Sequence[Any]], NDArray[Any]]
"""A classifier's own function that converts Pillow images to an array of pixels, such as the image processor of a
Hugging Face pipeline."""

_IN_MEMORY = 256 << 20  # bytes


def read_stream(source: Images, *, shape: tuple[int, int, int] | None = None, fit: Fit | None = None) -> ImageRead:
    """Read images from a source of any kind.

    The result also lists items that could not be read, and says how the images were changed.

    Parameters
    ----------
    source
        A source is one of these: an ImageSet or array, which is used unchanged; a torch `Dataset` or `DataLoader`; a
        Hugging Face data set or stream; a list, or any object with a length and items; a generator or any other
        iterable; any object that can be sliced and has a shape (N, C, H, W). The items of a source are images, (image,
        label) pairs, rows (dicts), or batches of these. An image is a Pillow image, or an array or tensor (C, H, W),
        (H, W, C) or (H, W) of uint8, uint16, or floats in [0, 1].
    shape : (C, H, W), optional
        The classifier's input shape. Pillow images are stretched to this shape; arrays of other sizes are refused.
        Without `shape`, all images must have the same size.
    fit : function, optional
        The classifier's own preprocessing of Pillow images, which is used instead of stretching.

    Items that cannot be read (the source raises, or a picture cannot be decoded) are listed in `skipped` as (id,
    reason). Ids number the images from 0. The result has labels if every image has a label of at least 0.

    Raises InputError for sources of unknown kinds, pixels out of range (normalisation belongs to the classifier) and
    other shapes. Also raises InputError if nothing can be read, or if a generator or stream raises, because nothing
    after the error can be read.

    >>> read = read_stream(np.full((2, 2, 3), i, np.uint8) for i in range(5))
    >>> read.images, read.images.ids[-1], read.skipped
    (ImageSet('generator', 5 images of 3 x 2 x 2, uint8, no labels), '4', ())
    """
    if isinstance(source, ImageSet):
        return ImageRead(source)
    array = array_of(source)
    if array is None and isinstance(source, (list, tuple)) and _is_numbers(source):
        try:
            array = np.asarray(source)
        except ValueError as error:
            raise InputError(
                f"expected images of the same shape, got nested lists of different lengths ({error}); pass arrays"
            ) from error
    if array is not None and array.ndim:
        return ImageRead(ImageSet(as_images(array)))
    _check_kind(source)
    return _Reading(source, shape, fit).read()


def as_image_set(source: Images, *, shape: tuple[int, int, int] | None = None, fit: Fit | None = None) -> ImageSet:
    """Read images from a source of any kind. Every image must be readable.

    Arguments and errors are those of `read_stream`.

    Also raises InputError for the first item that can't be read.
    """
    return read_stream(source, shape=shape, fit=fit).whole()


def as_labelled(source: Images, *, shape: tuple[int, int, int] | None = None, what: str) -> ImageSet:
    """The images and labels of a source of (image, label) pairs or rows.

    An ImageSet is returned unchanged, with or without labels.
    """
    if isinstance(source, ImageSet):
        return source
    if source is None or array_of(source) is not None or not is_source(source):
        raise InputError(
            f"expected an ImageSet, got {type(source).__name__}; make one of images and labels: dd.ImageSet(images, labels)"
        )
    found = as_image_set(source, shape=shape)
    if found.labels is None:
        raise InputError(
            f"expected {what} with labels, got a {type(source).__name__} in which some items have no class number (0, 1, …); give (image, "
            "label) pairs, or dd.ImageSet(images, labels)"
        )
    return found


def as_images(images: Any) -> NDArray[Any]:
    """Check that an array is NCHW and that its pixels have a known type. ImageSet checks the values."""
    if isinstance(images, np.ma.MaskedArray):
        raise InputError("expected an array of pixels, got a masked array; fill in the masked pixels")
    array = np.asarray(images)
    if array.ndim != 4:
        raise InputError(f"expected images of shape (N, C, H, W), got {array.shape}; add the missing axes")
    if array.dtype in SCALES:
        return array
    if array.dtype.kind != "f":
        raise InputError(f"expected uint8, uint16 or float pixels, got {array.dtype}; {HOW_PIXELS}")
    return array.astype(np.float32, copy=False)


@dataclass(eq=False)
class _Reading:
    """Reads all images of a source, each image once."""

    source: Any
    shape: tuple[int, int, int] | None
    fit: Fit | None
    store: PixelStore = field(default_factory=lambda: PixelStore(in_memory=_IN_MEMORY))
    ids: list[str] = field(default_factory=list[str])
    labels: list[int | None] = field(default_factory=list["int | None"])
    skipped: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    resized: int = 0

    def read(self) -> ImageRead:
        names = getattr(self.source, "ids", None) if gives_slices(self.source) else None
        at = 0  # images before this one, whether they could be read or not
        for number, value in values_of(self.source):
            where = f"{unit_of(self.source)} {number} of the {type(self.source).__name__}"
            if isinstance(value, Failed) and not value.images:
                raise InputError(
                    f"{where} raised {value.why}; nothing after it can be read: fix this item, or leave it out"
                )
            if isinstance(value, Failed):
                self.skipped.append((str(at), f"{where} raised {value.why}"))
                at += value.images
                continue
            try:
                for image, label in expanded(value, self.shape):
                    self._take(str(at if names is None else names[at]), image, label, where)
                    at += 1
            except InputError as error:
                raise InputError(f"{where}: {error}") from error
        if not self.ids:
            why = (
                f"{len(self.skipped)} items that cannot be read; the first: {self.skipped[0][1]}"
                if self.skipped
                else "none"
            )
            raise InputError(
                f"expected at least one image in the {type(self.source).__name__}, got {why}; check the source that the images are read from"
            )
        labels = None if None in self.labels else np.array(self.labels, dtype=np.int64)
        classes = () if labels is None else class_names_of(self.source)
        if labels is not None and labels.max() >= len(classes):
            classes = ()
        images = ImageSet(self.store.finish(), labels, self.ids, classes, name_of(self.source))
        return ImageRead(images, tuple(self.skipped), (*self._resizing(), *loader_notes(self.source)))

    def _take(self, name: str, image: Any, label: int | None, where: str) -> None:
        if is_picture(image):
            try:
                array, resized = fitted_picture(image, self.shape, self.fit)
            except InputError as error:
                self.skipped.append((name, f"{where}: {error}"))
                return
            self.resized += resized
        else:
            array = fitted_array(image, self.shape)
        self.store.add(array)
        self.ids.append(name)
        self.labels.append(label)

    def _resizing(self) -> Iterator[str]:
        if self.resized and self.shape is not None:
            how = (
                "resized by the model's own processor"
                if self.fit
                else f"stretched to {self.shape[1]} x {self.shape[2]}"
            )
            yield f"{self.resized} of {len(self.ids)} pictures were {how}"


def _is_numbers(value: Any) -> bool:
    """Whether `value` is a number, or consists of nested lists of numbers."""
    while isinstance(value, (list, tuple)) and value:
        value = cast("Sequence[Any]", value)[0]
    return isinstance(value, (int, float, np.generic))


def _check_kind(source: Any) -> None:
    if is_source(source) and getattr(source, "shape", None) != ():  # of one number
        return
    hint = "give one of these"
    if isinstance(source, (str, bytes, Path)):
        hint = "read files with dd.read_images(path).images"
    elif is_picture(source):
        hint = "put it into a list"
    elif isinstance(source, Mapping):
        hint = f"pass one of {', '.join(map(str, cast('Mapping[Any, Any]', source)))}"
    raise InputError(
        "expected images as an ImageSet, an array (N, C, H, W), a torch Dataset or DataLoader, a Hugging Face data set, a list of Pillow "
        f"images or arrays, or an iterable of batches, got {type(source).__name__}; {hint}"
    )
