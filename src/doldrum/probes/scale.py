"""Multiply all pixels by a factor and clip them: the perturbation of the detector SCALE-UP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.probes.base import ImageProbe

__all__ = ["Scale"]


class Scale(ImageProbe):
    """Multiply pixels by a factor: clip(k x, 0, 1).

    `strengths` are factors k; 1 leaves the image unchanged. The perturbation is not random, so it has one draw.

    Source: Guo et al. 2023 (SCALE-UP), arXiv 2302.03251, section 4; k = 3, 5, 7, 9, 11.

    >>> out = np.empty((1, 1, 1, 2), dtype=np.float32)
    >>> Scale([3]).bind((1, 1, 2)).fill(np.array([[[0.25, 0.5]]], dtype=np.float32), 0, 0, 1, out)
    >>> out.ravel().tolist()
    [0.75, 1.0]
    """

    family = "scale"

    def __init__(self, strengths: Sequence[float] = (3, 5, 7, 9, 11)) -> None:
        super().__init__(strengths, draws=1)

    def bind(self, input_shape: tuple[int, int, int]) -> Scale:
        return self

    def fill(self, image: NDArray[np.float32], condition: int, start: int, stop: int, out: NDArray[np.float32]) -> None:
        out[:] = np.clip(image * np.float32(self.strengths[condition]), 0, 1)

    def to_dict(self) -> dict[str, Any]:
        return {"family": self.family, "strengths": list(self.strengths)}
