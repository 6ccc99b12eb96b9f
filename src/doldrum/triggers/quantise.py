"""BPP: reduce the number of grey levels, with dithering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.triggers.base import Images, Trigger

__all__ = ["Quantise", "floyd_steinberg"]


@dataclass(frozen=True, eq=False)
class Quantise(Trigger):
    """Round each channel to `levels` values, 0, 1/(levels-1), …, 1, with Floyd-Steinberg dithering.

    A cover sample gets the dithering error of a random image instead of its own, so that the network learns the exact
    pattern of the trigger. (In the paper, cover samples are called negative samples, and get the error of another
    training image.)

    Source: Wang, Zhai, Ma 2022, arXiv 2205.13383, section 3.2; squeeze number 8.

    Raises InputError for `levels` outside 2 to 256.

    >>> half = np.full((1, 1, 2, 2), 0.5, dtype=np.float32)
    >>> Quantise(levels=2)(half)[0, 0].tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """

    name: ClassVar[str] = "quantise"
    levels: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.levels <= 256:
            raise InputError(f"expected levels from 2 to 256, got {self.levels}; the paper uses 8")

    def apply(self, images: Images) -> Images:
        return floyd_steinberg(images, levels=self.levels)

    def apply_as_cover(self, images: Images, *, seed: int, rows: NDArray[np.int64]) -> Images:
        other = np.empty_like(images)
        for i, row in enumerate(rows):
            other[i] = rng(seed, "quantise", "cover", int(row)).random(images.shape[1:], dtype=np.float32)
        return images + floyd_steinberg(other, levels=self.levels) - other


def floyd_steinberg(images: Images, *, levels: int) -> Images:
    """Quantise each channel, and add each pixel's error to its neighbours: 7/16 right, and 3/16, 5/16, 1/16 below.

    Pixels are processed row by row, from left to right. At the edge of the image, the share of the error for a missing
    neighbour is dropped. Halves are rounded to the even level.

    >>> floyd_steinberg(np.array([[[[0.4, 0.4]]]], dtype=np.float32), levels=2).ravel().tolist()
    [0.0, 1.0]
    """
    steps = np.float32(levels - 1)
    height, width = images.shape[2:]
    # One more row and a column on each side take the errors that leave the image.
    work = np.pad(images, ((0, 0), (0, 0), (0, 1), (1, 1))).astype(np.float32)
    for i in range(height):
        for j in range(1, width + 1):
            old = work[:, :, i, j]
            new = np.clip(np.rint(old * steps), 0, steps) / steps
            error = old - new
            work[:, :, i, j] = new
            work[:, :, i, j + 1] += error * np.float32(7 / 16)
            work[:, :, i + 1, j - 1] += error * np.float32(3 / 16)
            work[:, :, i + 1, j] += error * np.float32(5 / 16)
            work[:, :, i + 1, j + 1] += error * np.float32(1 / 16)
    return work[:, :, :height, 1 : width + 1]
