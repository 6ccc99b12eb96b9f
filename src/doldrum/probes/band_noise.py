"""Noise limited to a band of spatial frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from doldrum.errors import InputError
from doldrum.probes.base import ImageProbe, make_bank
from doldrum.probes.noise import NoiseBank
from doldrum.seeds import rng

__all__ = ["BandNoise"]


class BandNoise(ImageProbe):
    """Add band-limited noise: x + s b_j, where b_j is Gaussian noise with spatial frequencies in [low, high).

    The noise b_j = c irfft2(M rfft2(eps_j)), with eps_j ~ N(0, I) in each channel, has standard deviation 1. The mask M
    is 1 where low <= |f| < high, and 0 elsewhere; c = 1 / sqrt(mean of M over all frequencies). The frequency |f| =
    sqrt(fx^2 + fy^2) is in cycles per pixel (at most .5 along an axis, .707 along the diagonal). `low=0` includes the
    mean brightness, and `high=0.75` includes the highest frequencies; `BandNoise(low=0, high=0.75)` is Gaussian noise.

    Raises InputError unless 0 <= low < high. `bind` raises InputError for a band that contains no frequency of the
    image's size.

    >>> out = np.empty((5, 1, 8, 8), dtype=np.float32)
    >>> probe = BandNoise([0.2], low=0.1, high=0.3, draws=5)
    >>> probe.bind((1, 8, 8)).fill(np.zeros((1, 8, 8), dtype=np.float32), 0, 0, 5, out)
    >>> bool(np.allclose(out.mean(axis=(2, 3)), 0, atol=1e-6))
    True
    """

    family = "band-noise"

    def __init__(
        self,
        strengths: Sequence[float],
        *,
        low: float = 0.0,
        high: float = 0.15,
        draws: int = 100,
        seed: int = 0,
        clip: bool = False,
    ) -> None:
        super().__init__(strengths, draws=draws, seed=seed)
        if not 0 <= low < high:
            raise InputError(f"expected 0 <= low < high in cycles per pixel, got {low} and {high}; e.g. 0 and 0.15")
        self.low, self.high, self.clip = float(low), float(high), bool(clip)

    def bind(self, input_shape: tuple[int, int, int]) -> NoiseBank:
        height, width = input_shape[1:]
        rows = np.fft.fftfreq(height)[:, None]
        keep = self._band(np.hypot(rows, np.fft.rfftfreq(width)))
        share = self._band(np.hypot(rows, np.fft.fftfreq(width))).mean()
        if share == 0:
            raise InputError(
                f"expected a band that contains frequencies of a {height}x{width} image, got [{self.low}, {self.high}); widen the band"
            )

        def draw(j: int) -> np.ndarray:
            noise = rng(self.seed, self.family, j).standard_normal(input_shape)
            return np.fft.irfft2(np.fft.rfft2(noise) * keep, s=(height, width)) / np.sqrt(share)

        return NoiseBank(make_bank(self.draws, input_shape, draw), self.strengths, clip=self.clip)

    def _band(self, frequency: np.ndarray) -> np.ndarray:
        return (frequency >= self.low) & (frequency < self.high)

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"low": self.low, "high": self.high, "clip": self.clip}
