"""WaNet: a small elastic warp that is the same for every image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.triggers.base import Images, Trigger
from doldrum.triggers.resampling import resample

__all__ = ["Warp"]

_MOST_PIXELS = 1000  # positions are clipped to the image, so more moves nothing further
_MOST_POINTS = 256


@dataclass(frozen=True, eq=False)
class Warp(Trigger):
    """Warp images: each output pixel gets the input's value at its own position plus `field`, interpolated bilinearly.

    The field is up(P / mean|P| * s), where P ~ U(-1, 1) has the shape (2, k, k), and the function up enlarges it to the
    image's size. The function up interpolates the k x k grid with a cubic spline; the corners of the grid are the
    corners of the image. Positions are clipped to the image. So the strength `s` is the mean displacement of the
    control points, in pixels, along each axis. For cover samples, random numbers U(-1, 1) are added to the field, for
    each pixel and sample. These cover samples are the paper's noise mode, which uses twice as many cover samples as
    poisoned samples, with their true labels.

    Source: Nguyen & Tran 2021, arXiv 2102.10369, equations 3 to 6; s = .5, k = 4. As in the paper, the field is in
    pixels. Released code divides the field by the image's size in coordinates from -1 to 1, which halves the warp.

    Raises InputError for `s` outside 0 to 1000, `k` outside 2 to 256, and images with fewer than `k` pixels per side.

    >>> flat = np.full((1, 1, 5, 5), 0.25, dtype=np.float32)
    >>> bool(np.allclose(Warp()(flat), flat))
    True
    """

    name: ClassVar[str] = "warp"
    strength_setting: ClassVar[str | None] = "s"
    s: float = 0.5
    k: int = 4
    field_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.s <= _MOST_PIXELS and 2 <= self.k <= _MOST_POINTS):
            raise InputError(
                f"expected s from 0 to {_MOST_PIXELS} (pixels) and k from 2 to {_MOST_POINTS}, got {self.s:g} and {self.k}; "
                "the paper uses .5 and 4"
            )

    def field(self, height: int, width: int) -> NDArray[np.float64]:
        """The displacement of every pixel (2, H, W), in pixels: first rows, then columns."""
        if min(height, width) < self.k:
            raise InputError(f"expected images of at least k = {self.k} pixels a side, got {height} x {width}; lower k")
        control = rng(self.field_seed, "warp", self.k).uniform(-1, 1, size=(2, self.k, self.k))
        control *= self.s / np.abs(control).mean()
        return np.stack([_enlarge(part, (height, width)) for part in control])

    def apply(self, images: Images) -> Images:
        return resample(images, self.field(*images.shape[2:]))

    def apply_as_cover(self, images: Images, *, seed: int, rows: NDArray[np.int64]) -> Images:
        field = self.field(*images.shape[2:])
        for i, row in enumerate(rows):
            noise = rng(seed, "warp", "cover", int(row)).uniform(-1, 1, size=field.shape)
            images[i] = resample(images[i : i + 1], field + noise)[0]
        return images


def _enlarge(values: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    factors = (shape[0] / values.shape[0], shape[1] / values.shape[1])
    return np.asarray(zoom(values, factors, order=3, mode="nearest"), dtype=np.float64)
