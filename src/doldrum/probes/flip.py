"""Flip and turn the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.probes.base import ImageProbe

__all__ = ["Flip"]


class Flip(ImageProbe):
    """Flip or turn the image: draw j applies the j-th of the seven symmetries of a square, then the first again.

    The order is: left-right flip, up-down flip, half turn, quarter turn to the left, quarter turn to the right, and
    the flips about the two diagonals. The last four exchange rows and columns. If the image is not square, each pixel
    is read from the nearest pixel of the image that is stretched to a square.

    The only strength is 1. Nothing is random, so the seed has no effect.

    >>> out = np.empty((3, 1, 2, 2), dtype=np.float32)
    >>> Flip(draws=3).bind((1, 2, 2)).fill(np.array([[[1, 2], [3, 4]]], dtype=np.float32), 0, 0, 3, out)
    >>> out.reshape(3, 4).tolist()
    [[2.0, 1.0, 4.0, 3.0], [3.0, 4.0, 1.0, 2.0], [4.0, 3.0, 2.0, 1.0]]

    Raises InputError for a strength other than 1.
    """

    family = "flip"

    def __init__(self, strengths: Sequence[float] = (1.0,), *, draws: int = 4, seed: int = 0) -> None:
        super().__init__(strengths, draws=draws, seed=seed)
        if self.strengths != (1.0,):
            raise InputError(f"expected 1 as the only strength of a flip, got {list(self.strengths)}")

    def bind(self, input_shape: tuple[int, int, int]) -> _Flips:
        _, height, width = input_shape
        y, x = ((np.arange(n) + 0.5) / n for n in (height, width))
        # (rows, columns) of the unit square that are read for each pixel
        rows, columns = np.meshgrid(y, x, indexing="ij")
        read = (
            (rows, 1 - columns),
            (1 - rows, columns),
            (1 - rows, 1 - columns),
            (columns, 1 - rows),
            (1 - columns, rows),
            (columns, rows),
            (1 - columns, 1 - rows),
        )
        made: list[NDArray[np.intp]] = []
        for place in read[: self.draws]:
            row, column = (
                np.minimum((part * n).astype(np.intp), n - 1) for part, n in zip(place, (height, width), strict=True)
            )
            made.append(row * width + column)
        return _Flips(made)


class _Flips:
    def __init__(self, places: list[NDArray[np.intp]]) -> None:
        self.places = places

    def fill(self, image: NDArray[np.float32], condition: int, start: int, stop: int, out: NDArray[np.float32]) -> None:
        flat = image.reshape(len(image), -1)
        for row, j in enumerate(range(start, stop)):
            np.take(flat, self.places[j % len(self.places)], axis=1, out=out[row])
