"""Random translations and small smooth warps: each output pixel is read from another position in the image."""

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
    """Move the image by whole pixels, with dy and dx each uniform on -s..s. Pixels that move in from outside repeat the
    image's edge.

    `strengths` s are whole numbers, the largest possible movement in pixels; 0 leaves the image unchanged. The
    direction of a draw's movement is the same for all inputs and strengths, and so is the distance as a share of s.

    >>> out = np.empty((9, 1, 3, 3), dtype=np.float32)
    >>> Shift([1], draws=9).bind((1, 3, 3)).fill(np.eye(3, dtype=np.float32)[None], 0, 0, 9, out)
    >>> sorted(set(out.ravel().tolist()))
    [0.0, 1.0]
    """

    family = "shift"

    def __init__(self, strengths: Sequence[float], *, draws: int = 100, seed: int = 0) -> None:
        super().__init__(strengths, draws=draws, seed=seed)
        self.check_whole("pixels")

    def bind(self, input_shape: tuple[int, int, int]) -> _Moved:
        _, height, width = input_shape
        rows, columns = np.arange(height)[:, None], np.arange(width)

        def read_from(j: int) -> NDArray[np.intp]:
            moved = np.empty((len(self.strengths), height, width), dtype=np.intp)
            for c, s in enumerate(self.strengths):
                dy, dx = (np.floor(rng(self.seed, self.family, j).random(2) * (2 * s + 1)) - s).astype(np.intp)
                moved[c] = np.clip(rows + dy, 0, height - 1) * width + np.clip(columns + dx, 0, width - 1)
            return moved

        return _Moved(make_bank(self.draws, (len(self.strengths), height, width), read_from, np.int32))


class Warp(ImageProbe):
    """Warp the image: each pixel is read (bilinearly) at a distance s f_j, where f_j is a smooth random field.

    For each axis, cubic splines interpolate a `control` x `control` grid of N(0, 1) values to the image's size. Then
    the field f_j is scaled to a root mean square of 1. The same f_j is used for all inputs and strengths. Positions are
    clipped to the image. `strengths` s are in pixels; 0 leaves the image unchanged. The trigger WaNet of Nguyen and
    Tran (arXiv 2102.10369) is of this kind.

    >>> out = np.empty((2, 1, 6, 6), dtype=np.float32)
    >>> Warp([1.0], draws=2).bind((1, 6, 6)).fill(np.full((1, 6, 6), 0.5, dtype=np.float32), 0, 0, 2, out)
    >>> bool(np.allclose(out, 0.5))
    True
    """

    family = "warp"

    def __init__(self, strengths: Sequence[float], *, control: int = 4, draws: int = 100, seed: int = 0) -> None:
        super().__init__(strengths, draws=draws, seed=seed)
        if int(control) != control or control < 2:
            raise InputError(f"expected a whole number of control points of at least 2 per side, got {control}")
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


class _Moved:
    """Copies pixels of an image to new positions. For each pixel of each draw, `bank` says which image pixel to
    copy."""

    def __init__(self, bank: NDArray[np.int32]) -> None:
        self.bank = bank

    def fill(self, image: NDArray[np.float32], condition: int, start: int, stop: int, out: NDArray[np.float32]) -> None:
        pixels = self.bank[start:stop, condition].astype(np.intp)
        for c, channel in enumerate(image.reshape(len(image), -1)):
            out[:, c] = channel.take(pixels)


class _Resampler:
    """Reads an image at positions between pixels (bilinear interpolation).

    Each position is between four image pixels. For each pixel of each draw, the object holds the upper left pixel of
    these four. For the interpolation, the object also holds the weights of the lower row and of the right column of the
    four pixels.
    """

    def __init__(self, probe: ImageProbe, input_shape: tuple[int, int, int], field: Any) -> None:
        _, height, width = input_shape
        rows, columns = np.indices((height, width))
        self.below, self.right = (width if height > 1 else 0), int(width > 1)

        def place(j: int) -> NDArray[np.float32]:
            moved = np.empty((len(probe.strengths), 2, height, width))
            for c, s in enumerate(probe.strengths):
                moved[c] = np.stack([rows, columns]) + field(j, s)
            limits = np.array([height - 1, width - 1]).reshape(2, 1, 1)
            return np.clip(moved, 0, limits).astype(np.float32)

        self.shares = make_bank(probe.draws, (len(probe.strengths), 2, height, width), place)

        def corner(j: int) -> NDArray[np.int32]:
            places = self.shares[j]
            # The last row and column are read as the lower or right neighbour of those before them.
            most = np.array([max(height - 2, 0), max(width - 2, 0)]).reshape(2, 1, 1)
            corners = np.minimum(places.astype(np.int32), most)
            places -= corners  # exact: what stays is the share
            return corners[:, 0] * width + corners[:, 1]

        self.first = make_bank(probe.draws, (len(probe.strengths), height, width), corner, np.int32)

    def fill(self, image: NDArray[np.float32], condition: int, start: int, stop: int, out: NDArray[np.float32]) -> None:
        down, along = (self.shares[start:stop, condition, axis].astype(np.float64) for axis in range(2))
        first = self.first[start:stop, condition].astype(np.intp)
        back, up = 1 - along, 1 - down
        flat = image.reshape(len(image), -1)
        for c in range(len(image)):
            above, under = flat[c], flat[c][self.below :]
            upper = back * above.take(first) + along * above[self.right :].take(first)
            lower = back * under.take(first) + along * under[self.right :].take(first)
            out[:, c] = up * upper + down * lower
