"""What every family that adds noise shares: x + strength * noise_j."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["NoiseBank"]


class NoiseBank:
    """The n draws of one input shape, made once; n * C * H * W * 4 bytes."""

    def __init__(self, bank: NDArray[np.float32], strengths: Sequence[float], *, clip: bool) -> None:
        self.bank, self.strengths, self.clip = bank, strengths, clip

    def fill(self, image: NDArray[np.float32], condition: int, start: int, stop: int, out: NDArray[np.float32]) -> None:
        np.multiply(self.bank[start:stop], np.float32(self.strengths[condition]), out=out)
        out += image
        if self.clip:
            np.clip(out, 0.0, 1.0, out=out)
