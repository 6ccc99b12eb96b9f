"""Uniform noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from doldrum.probes.base import ImageProbe, make_bank
from doldrum.probes.noise import NoiseBank
from doldrum.seeds import rng

__all__ = ["Uniform"]


class Uniform(ImageProbe):
    """Add uniform noise: x + s u_j, with u_j ~ U(-1, 1) in every pixel, common to all inputs and all strengths.

    `strengths` holds the half-widths s of the uniform distribution, in units of the [0, 1] pixel range (the standard
    deviation of the noise is s / sqrt 3). `clip` has the same meaning as in :class:`Gaussian`.

    >>> out = np.empty((5, 1, 2, 2), dtype=np.float32)
    >>> Uniform([0.1], draws=5).bind((1, 2, 2)).fill(np.full((1, 2, 2), 0.5, dtype=np.float32), 0, 0, 5, out)
    >>> bool((abs(out - 0.5) <= 0.1001).all())
    True
    """

    family = "uniform"

    def __init__(self, strengths: Sequence[float], *, draws: int = 100, seed: int = 0, clip: bool = False) -> None:
        super().__init__(strengths, draws=draws, seed=seed)
        self.clip = bool(clip)

    def bind(self, input_shape: tuple[int, int, int]) -> NoiseBank:
        def draw(j: int) -> np.ndarray:
            return 2 * rng(self.seed, self.family, j).random(input_shape, dtype=np.float32) - 1

        return NoiseBank(make_bank(self.draws, input_shape, draw), self.strengths, clip=self.clip)

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"clip": self.clip}
