"""Pixel ablation: set a random share of the pixels to one value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.probes.base import ImageProbe, make_bank
from doldrum.seeds import rng

__all__ = ["PixelAblation"]


class PixelAblation(ImageProbe):
    """Set round(s H W) pixels, drawn uniformly without replacement, to `value` in all channels.

    `strengths` are shares s in [0, 1]. Draw j is one random order of the pixels, common to all inputs. So a pixel that
    is replaced at one share is also replaced at every larger share.

    Source: Levine and Feizi 2020, arXiv 1911.09272 (randomised ablation, with a value in place of their extra channel).

    >>> out = np.empty((3, 1, 2, 2), dtype=np.float32)
    >>> PixelAblation([0.5], draws=3).bind((1, 2, 2)).fill(np.ones((1, 2, 2), dtype=np.float32), 0, 0, 3, out)
    >>> out.sum(axis=(1, 2, 3)).tolist()
    [2.0, 2.0, 2.0]
    """

    family = "pixel-ablation"

    def __init__(self, strengths: Sequence[float], *, value: float = 0.0, draws: int = 100, seed: int = 0) -> None:
        super().__init__(strengths, draws=draws, seed=seed)
        self.check_strengths(1, "shares of the pixels")
        if not 0 <= value <= 1:
            raise InputError(f"expected a value in [0, 1], got {value}; 0 is black")
        self.value = float(value)

    def bind(self, input_shape: tuple[int, int, int]) -> _Ablation:
        height, width = input_shape[1:]

        def ranks(j: int) -> np.ndarray:
            return rng(self.seed, self.family, j).permutation(height * width).reshape(1, height, width)

        bank = make_bank(self.draws, (1, height, width), ranks, np.int32)
        return _Ablation(bank, [round(s * height * width) for s in self.strengths], np.float32(self.value))

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"value": self.value}


class _Ablation:
    def __init__(self, ranks: NDArray[np.int32], numbers: Sequence[int], value: np.float32) -> None:
        self.ranks, self.numbers, self.value = ranks, numbers, value

    def fill(self, image: NDArray[np.float32], condition: int, start: int, stop: int, out: NDArray[np.float32]) -> None:
        out[:] = np.where(self.ranks[start:stop] < self.numbers[condition], self.value, image)
