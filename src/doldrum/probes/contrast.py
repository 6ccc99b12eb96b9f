"""Change contrast and brightness at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doldrum.probes.base import ImageProbe, make_bank
from doldrum.seeds import rng

__all__ = ["Contrast"]


class Contrast(ImageProbe):
    """Change contrast and brightness: clip((1 + s a_j)(x - 1/2) + 1/2 + s b_j, 0, 1), with a_j and b_j ~ U(-1, 1).

    a_j changes the contrast and b_j the brightness; both are common to all inputs. `strengths` s are the largest
    relative change of contrast, and the largest change of brightness in units of the [0, 1] pixel range. Strength 0
    leaves the image unchanged.

    >>> out = np.empty((4, 1, 1, 1), dtype=np.float32)
    >>> Contrast([0.2], draws=4).bind((1, 1, 1)).fill(np.full((1, 1, 1), 0.5, dtype=np.float32), 0, 0, 4, out)
    >>> bool((abs(out - 0.5) <= 0.2).all())
    True
    """

    family = "contrast"

    def bind(self, input_shape: tuple[int, int, int]) -> _Contrast:
        def draw(j: int) -> NDArray[np.float64]:
            return rng(self.seed, self.family, j).uniform(-1, 1, size=(2, 1, 1, 1))

        return _Contrast(make_bank(self.draws, (2, 1, 1, 1), draw), self.strengths)


class _Contrast:
    def __init__(self, bank: NDArray[np.float32], strengths: tuple[float, ...]) -> None:
        self.bank, self.strengths = bank, strengths

    def fill(self, image: NDArray[np.float32], condition: int, start: int, stop: int, out: NDArray[np.float32]) -> None:
        change = self.bank[start:stop] * np.float32(self.strengths[condition])
        np.multiply(image - np.float32(0.5), 1 + change[:, 0], out=out)
        out += np.float32(0.5) + change[:, 1]
        np.clip(out, 0, 1, out=out)
