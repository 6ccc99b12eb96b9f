"""Paste a strip of another image into the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.probes.overlaid import OverlayProbe

__all__ = ["CutMix"]


class CutMix(OverlayProbe):
    """Replace a strip at one side of the image by the same strip of another image, the overlay o_j.

    The strip of draw j is at the left for j = 0, and at the right, the top and the bottom for j = 1, 2 and 3. Then the
    sides are used again in this order. A strip has the share s of the image's width or height, rounded to whole
    pixels.

    `overlays`, `draws`, `seed` and the errors are those of `OverlayProbe`. `strengths` s are in [0, 1]; the default is
    0.5, and 0 leaves the image unchanged.

    Source: the patches of Yun et al. 2019 (CutMix), arXiv 1905.04899, which are boxes at random places. Strips
    are used here, so that a trigger at one side stays in three of four draws.

    >>> out = np.empty((2, 1, 1, 4), dtype=np.float32)
    >>> CutMix(np.ones((2, 1, 1, 4))).bind((1, 1, 4)).fill(np.zeros((1, 1, 4), dtype=np.float32), 0, 0, 2, out)
    >>> out[:, 0, 0].tolist()
    [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]
    """

    family = "cutmix"

    def __init__(
        self, overlays: NDArray[Any], strengths: Sequence[float] = (0.5,), *, draws: int | None = None, seed: int = 0
    ) -> None:
        super().__init__(overlays, strengths, draws=draws, seed=seed)
        self.check_strengths(1, "share of the width or height")

    def bind(self, input_shape: tuple[int, int, int]) -> _Strips:
        return _Strips(self.bank(input_shape), self.strengths)


class _Strips:
    def __init__(self, bank: NDArray[np.float32], strengths: tuple[float, ...]) -> None:
        self.bank, self.strengths = bank, strengths

    def fill(self, image: NDArray[np.float32], condition: int, start: int, stop: int, out: NDArray[np.float32]) -> None:
        _, height, width = image.shape
        high, wide = (round(self.strengths[condition] * side) for side in (height, width))
        everything = slice(None)
        strips = (
            (everything, slice(0, wide)),
            (everything, slice(width - wide, width)),
            (slice(0, high), everything),
            (slice(height - high, height), everything),
        )
        out[:] = image
        for row, j in enumerate(range(start, stop)):
            rows, columns = strips[j % 4]
            out[row, :, rows, columns] = self.bank[j, :, rows, columns]
