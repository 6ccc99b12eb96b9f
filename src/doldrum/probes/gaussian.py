"""Gaussian noise: the perturbation of the Backdoor Smoothing paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from doldrum.probes.base import ImageProbe, make_bank
from doldrum.probes.noise import NoiseBank
from doldrum.seeds import rng

__all__ = ["Gaussian"]


class Gaussian(ImageProbe):
    """Add Gaussian noise: x + sigma * eps_j, with eps_j ~ N(0, I) common to all inputs and all strengths.

    `strengths` are sigmas, in units of the [0, 1] pixel range. With `clip=True` the noisy image is clipped to [0, 1].
    By default the noisy image is not clipped, so that the noise is Gaussian everywhere.

    Source: Grosse et al., Backdoor Smoothing, Computers & Security 2022; Cohen et al. 2019 (the same draws).

    >>> probe = Gaussian([0.1, 0.2], draws=3, seed=0)
    >>> out = np.empty((3, 1, 2, 2), dtype=np.float32)
    >>> probe.bind((1, 2, 2)).fill(np.zeros((1, 2, 2), dtype=np.float32), 1, 0, 3, out)
    >>> first = out.copy()
    >>> probe.bind((1, 2, 2)).fill(np.zeros((1, 2, 2), dtype=np.float32), 0, 0, 3, out)
    >>> bool(np.allclose(first, 2 * out))
    True
    """

    family = "gaussian"

    def __init__(self, strengths: Sequence[float], *, draws: int = 100, seed: int = 0, clip: bool = False) -> None:
        super().__init__(strengths, draws=draws, seed=seed)
        self.check_strengths(1e6, "stronger float32 noise loses the pixel values, which are from 0 to 1")
        self.clip = bool(clip)

    def bind(self, input_shape: tuple[int, int, int]) -> NoiseBank:
        def draw(j: int) -> np.ndarray:
            return rng(self.seed, self.family, j).standard_normal(input_shape, dtype=np.float32)

        return NoiseBank(make_bank(self.draws, input_shape, draw), self.strengths, clip=self.clip)

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"clip": self.clip}
