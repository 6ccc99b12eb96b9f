"""Fit arrays and published sets to a model's input, in the same way as images from a folder."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.data.imageset import ImageSet
from doldrum.data.readers.folder import ImageRead
from doldrum.data.store import PixelStore
from doldrum.errors import InputError
from doldrum.intake import fit_image, fitting_note
from doldrum.pixels import to_float

__all__ = ["fit_images"]


def fit_images(
    images: ImageSet,
    *,
    channels: int | None = None,
    size: tuple[int, int] | None = None,
    resize: Literal["stretch", "crop"] = "stretch",
) -> ImageRead:
    """Fit an ImageSet to the channels and the size (height, width) of a classifier's input.

    The result's `notes` say how many images were changed.

    Images that already have the requested channels and size are returned unchanged. All other kinds of images are
    converted to uint8 and resized by :func:`doldrum.intake.fit_image`. For a colour model, a grey image is repeated in
    all channels; for a grey model, colour images are skipped.

    Raises InputError if no image is left, and for numbers of channels other than 1 and 3, which cannot be converted.

    >>> read = fit_images(ImageSet(np.zeros((2, 1, 8, 8), np.uint8), labels=[0, 1]), channels=3, size=(4, 4))
    >>> read.images
    ImageSet(2 images of 3 x 4 x 4, uint8, 2 classes)
    """
    c, height, width = images.input_shape
    shape = (channels or c, *(size or (height, width)))
    if images.input_shape == shape:
        return ImageRead(images)
    called = f"{images.name}: " if images.name else ""
    if c not in (1, 3) or shape[0] not in (1, 3):
        wanted, got = (" x ".join(map(str, s)) for s in (shape, images.input_shape))
        raise InputError(
            f"{called}expected images of {wanted} (channels x height x width), as the model takes, got {got}; save them in this shape: only "
            "images of 1 or 3 channels can be resized"
        )
    store, kept, skipped = PixelStore(), list[int](), list[tuple[str, str]]()
    for k in range(len(images)):
        try:
            store.add(
                fit_image(_eight_bit(images.images[k]), channels=shape[0], size=(shape[1], shape[2]), resize=resize)
            )
            kept.append(k)
        except InputError as error:
            skipped.append((images.ids[k], str(error)))
    if not kept:
        raise InputError(
            f"{called}expected images that the model takes, got none among {len(images):,} images; the first image was skipped for this reason: {skipped[0][1]}"
        )
    fitted = ImageSet(
        store.finish(),
        None if images.labels is None else images.labels[kept],
        [images.ids[k] for k in kept],
        images.class_names,
        images.name,
    )
    note = fitting_note({images.input_shape: len(kept)}, shape, resize=resize)
    return ImageRead(fitted, tuple(skipped), () if note is None else (note,))


def _eight_bit(image: NDArray[Any]) -> NDArray[np.uint8]:
    return image if image.dtype == np.uint8 else np.rint(to_float(image) * np.float32(255)).astype(np.uint8)
