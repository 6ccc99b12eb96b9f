"""Replace the coarse part of the input by that of another image: hybrid images."""

# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from doldrum.probes.overlaid import OverlayProbe

__all__ = ["Hybrid"]


class Hybrid(OverlayProbe):
    """Keep the fine details of the image x, and take the coarse part from another image, the overlay o_j: clip(x -
    L(x) + L(o_j), 0, 1).

    L is a Gaussian low-pass filter with the standard deviation n / (2 pi s) pixels, where n is the shorter side of the
    image. So `strengths` s are cutoffs, in cycles per shorter side: at this frequency the filter keeps exp(-1/2) = 61%
    of the amplitude. The higher s, the less of x is left. For s = 0, L is 0, and the image is unchanged. Pixels outside
    the image repeat its edge.

    `overlays`, `draws`, `seed` and the errors are those of `OverlayProbe`.

    Source: Oliva, Torralba and Schyns 2006 (hybrid images), doi 10.1145/1141911.1141919.

    >>> flat, out = np.full((1, 1, 4, 4), 0.75), np.empty((1, 1, 4, 4), dtype=np.float32)
    >>> Hybrid(flat, [3]).bind((1, 4, 4)).fill(np.full((1, 4, 4), 0.25, dtype=np.float32), 0, 0, 1, out)
    >>> bool(np.allclose(out, 0.75))
    True
    """

    family = "hybrid"

    def __init__(
        self, overlays: NDArray[Any], strengths: Sequence[float], *, draws: int | None = None, seed: int = 0
    ) -> None:
        super().__init__(overlays, strengths, draws=draws, seed=seed)

    def bind(self, input_shape: tuple[int, int, int]) -> _Hybrids:
        bank, side = self.bank(input_shape), min(input_shape[1:])
        filters = [_gaussian(side / (2 * math.pi * s)) if s else None for s in self.strengths]
        return _Hybrids(np.stack([_low_pass(bank, one) for one in filters]), filters)


class _Hybrids:
    def __init__(self, coarse: NDArray[np.float32], filters: list[NDArray[np.float64] | None]) -> None:
        self.coarse, self.filters = coarse, filters

    def fill(self, image: NDArray[np.float32], condition: int, start: int, stop: int, out: NDArray[np.float32]) -> None:
        np.add(self.coarse[condition, start:stop], image - _low_pass(image, self.filters[condition]), out=out)
        np.clip(out, 0, 1, out=out)


def _gaussian(spread: float) -> NDArray[np.float64]:
    """The weights of a Gaussian filter, up to four standard deviations."""
    x = np.arange(-int(4 * spread + 0.5), int(4 * spread + 0.5) + 1)
    weights = np.exp(-0.5 * (x / spread) ** 2)
    return weights / weights.sum()


def _low_pass(images: NDArray[np.float32], weights: NDArray[np.float64] | None) -> NDArray[np.float32]:
    """Filter rows and columns of images (..., H, W); 0 if there are no weights. SciPy's gaussian_filter gives the same
    values, and takes three times as long for a small image."""
    if weights is None:
        return np.zeros_like(images)
    columns, found = np.empty_like(images), np.empty_like(images)
    correlate1d(images, weights, axis=-2, output=columns, mode="nearest")
    correlate1d(columns, weights, axis=-1, output=found, mode="nearest")
    return found
