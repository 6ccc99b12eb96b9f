"""Random translations and small smooth warps: each output pixel is read elsewhere in the image."""

# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from doldrum.errors import InputError
from doldrum.probes.base import ImageProbe, make_bank
from doldrum.seeds import rng

__all__ = ["Shift", "Warp"]


class Shift(ImageProbe):
    """The image moved by whole pixels, dy and dx uniform on -s..s each; what comes in repeats the edge.

    `strengths` are the most pixels moved, whole numbers; 0 leaves the image as it is. The direction and share of a draw's
    movement are common to all inputs and strengths.

    >>> out = np.empty((9, 1, 3, 3), dtype=np.float32)
    >>> Shift([1], draws=9).bind((1, 3, 3)).fill(np.eye(3, dtype=np.float32)[None], 0, 0, 9, out)
    >>> sorted(set(out.ravel().tolist()))
    [0.0, 1.0]
    """

    family = "shift"

    def __init__(self, strengths: Sequence[float], *, draws: int = 100, seed: int = 0) -> None:
        super().__init__(strengths, draws=draws, seed=seed)
        self.check_whole("pixels")

    def bind(self, input_shape: tuple[int, int, int]) -> _Resampler:
        def field(j: int, s: float) -> NDArray[np.float64]:
            return (np.floor(rng(self.seed, self.family, j).random((2, 1, 1)) * (2 * s + 1)) - s) * np.ones((1, 1, 1))

        return _Resampler(self, input_shape, field)


class Warp(ImageProbe):
    """Each pixel read, bilinearly, from s f_j away: f_j a smooth random field of root mean square 1 along each axis.

    f_j is a `control` x `control` grid of N(0, 1) values an axis, brought to the image's size by cubic splines and scaled;
    common to all inputs and strengths. Positions are cut to the image. `strengths` s are in pixels; 0 leaves the image as
    it is. Nguyen and Tran's WaNet trigger (arXiv 2102.10369) is of this kind.

    >>> out = np.empty((2, 1, 6, 6), dtype=np.float32)
    >>> Warp([1.0], draws=2).bind((1, 6, 6)).fill(np.full((1, 6, 6), 0.5, dtype=np.float32), 0, 0, 2, out)
    >>> bool(np.allclose(out, 0.5))
    True
    """

    family = "warp"

    def __init__(self, strengths: Sequence[float], *, control: int = 4, draws: int = 100, seed: int = 0) -> None:
        super().__init__(strengths, draws=draws, seed=seed)
        if int(control) != control or control < 2:
            raise InputError(f"expected a whole number of control points of at least 2 a side, got {control}")
        self.control = int(control)

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"control": self.control}

    def bind(self, input_shape: tuple[int, int, int]) -> _Resampler:
        size = input_shape[1:]

        def field(j: int, s: float) -> NDArray[np.float64]:
            grid = rng(self.seed, self.family, j).standard_normal((2, self.control, self.control))
            factors = (size[0] / self.control, size[1] / self.control)
            smooth = np.array([zoom(part, factors, order=3, mode="nearest") for part in grid])
            return s * smooth / np.sqrt((smooth**2).mean(axis=(1, 2), keepdims=True))

        return _Resampler(self, input_shape, field)


class _Resampler:
    """Where each pixel of each draw is read: the upper left of four neighbours, and the shares of lower and right."""

    def __init__(self, probe: ImageProbe, input_shape: tuple[int, int, int], field: Any) -> None:
        _, height, width = input_shape
        self.rows, self.columns = np.indices((height, width))
        self.height, self.width = height, width

        def place(j: int) -> NDArray[np.float32]:
            moved = np.empty((len(probe.strengths), 2, height, width))
            for c, s in enumerate(probe.strengths):
                moved[c] = np.stack([self.rows, self.columns]) + field(j, s)
            limits = np.array([height - 1, width - 1]).reshape(2, 1, 1)
            return np.clip(moved, 0, limits).astype(np.float32)

        self.places = make_bank(probe.draws, (len(probe.strengths), 2, height, width), place)

    def fill(self, image: NDArray[np.float32], condition: int, start: int, stop: int, out: NDArray[np.float32]) -> None:
        places = self.places[start:stop, condition]
        i, j = places[:, 0], places[:, 1]
        # The last row and column are read as the lower or right neighbour of those before them.
        top = np.minimum(i.astype(np.int32), max(self.height - 2, 0))
        left = np.minimum(j.astype(np.int32), max(self.width - 2, 0))
        down, along = i - top, j - left
        first = top * self.width + left
        below, right = (self.width if self.height > 1 else 0), int(self.width > 1)
        flat = image.reshape(len(image), -1)
        for c in range(len(image)):
            upper = (1 - along) * flat[c][first] + along * flat[c][first + right]
            lower = (1 - along) * flat[c][first + below] + along * flat[c][first + below + right]
            out[:, c] = (1 - down) * upper + down * lower
