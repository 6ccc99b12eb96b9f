"""Make the batches of an epoch: shuffle and augment the images, and move them to the device, one block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from doldrum.errors import InputError
from doldrum.pixels import SCALES, to_float

__all__ = ["augment", "checked_data", "epoch_batches"]

# Blocks are what is held as floats at a time: memory doesn't grow with the data set, and numpy's cost per call is spread.
_BLOCK_BYTES = 64 << 20


def checked_data(data: Any, num_classes: int | None = None) -> tuple[Any, np.ndarray, int]:
    """Check the training data. Return the images (uint8, uint16 or float NCHW), the labels (int64) and the number of
    classes. Raises InputError if the data are unusable."""
    images, labels = getattr(data, "images", None), getattr(data, "labels", None)
    if images is not None and labels is None:
        raise InputError("expected labels with the images, got no labels; training needs labels")
    if images is None:
        raise InputError(f"expected data with images and labels, got {type(data).__name__}; make an ImageSet")
    kind = getattr(images, "dtype", None)
    if getattr(images, "ndim", 0) != 4 or not (kind in SCALES or getattr(kind, "kind", "") == "f") or 0 in images.shape:
        found = f"{kind or type(images).__name__} {getattr(images, 'shape', '')}"
        raise InputError(f"expected uint8, uint16 or float images (N, C, H, W), got {found}; convert them")
    labels = np.asarray(labels)
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise InputError(
            f"expected one whole-numbered label for each of {len(images)} images, got labels of type {labels.dtype} and shape {labels.shape}; convert the labels"
        )
    names = getattr(data, "class_names", None)
    classes = num_classes or (len(names) if names else int(labels.max()) + 1)
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"expected labels from 0 to below {classes}, got labels from {labels.min()} to {labels.max()}; check the classes"
        )
    if classes < 2 or len(images) < 2:
        raise InputError(
            f"expected at least 2 images and 2 classes, got {len(images)} images and {classes} classes; add data"
        )
    return images, labels.astype(np.int64), classes


def as_trained(images: np.ndarray) -> np.ndarray:
    """Return uint8 images unchanged, because the device divides them by 255 later. Convert images of all other types to
    float32 in [0, 1]."""
    return np.ascontiguousarray(images) if images.dtype in (np.uint8, np.float32) else to_float(images)


def augment(images: torch.Tensor, generator: torch.Generator, *, shift: int, flip: bool) -> torch.Tensor:
    """Shift each image by up to `shift` pixels on both axes (filled with zeros), and if `flip`, mirror half of them
    left to right.

    Images are (B, C, H, W), of any dtype. The random shifts and flips are drawn on the CPU.

    >>> g = torch.Generator().manual_seed(0)
    >>> augment(torch.ones(4, 1, 3, 3), g, shift=0, flip=True).sum().item()
    36.0
    """
    size, (height, width) = len(images), images.shape[2:]
    if shift:
        by = torch.randint(0, 2 * shift + 1, (2, size), generator=generator)
        windows = F.pad(images, (shift,) * 4).unfold(2, height, 1).unfold(3, width, 1)
        images = windows[torch.arange(size), :, by[0], by[1]]
    if flip:
        mirrored = torch.rand(size, generator=generator) < 0.5
        images = torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(-1), images)
    return images


def epoch_batches(
    images: Any,
    labels: np.ndarray,
    *,
    batch_size: int,
    generator: torch.Generator,
    device: torch.device,
    shift: int,
    flip: bool,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield all full batches of one pass over the shuffled images: float32 images in [0, 1] with channels last, and
    int64 labels.

    If the images at the end do not fill a batch, they are left out of this pass. The images are shuffled again for
    every pass.
    """
    order = torch.randperm(len(images), generator=generator).numpy()
    batch_bytes = 4 * batch_size * int(np.prod(images.shape[1:]))
    block = batch_size * max(1, _BLOCK_BYTES // batch_bytes)
    for start in range(0, len(order) - len(order) % batch_size, block):
        chosen = order[start : start + block]
        part = torch.from_numpy(as_trained(images[chosen])).to(device)
        part = augment(part, generator, shift=shift, flip=flip)
        part = part.float().div_(255) if part.dtype == torch.uint8 else part
        part = part.contiguous(memory_format=torch.channels_last)
        targets = torch.from_numpy(labels[chosen]).to(device)
        for row in range(0, len(chosen) - batch_size + 1, batch_size):
            yield part[row : row + batch_size], targets[row : row + batch_size]
