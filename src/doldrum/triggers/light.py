"""Light: light the image from one side, optionally with a warm or cold colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.triggers.base import Images, Trigger

__all__ = ["Light"]


@dataclass(frozen=True, eq=False)
class Light(Trigger):
    """Multiply the image by a linear ramp: x(i, j) becomes clip(x(i, j) (1 + depth s(i, j)) g) for row i, column j.

    s grows from -1 on the dark side to 1 on the light side. The light comes from the direction `angle`, in degrees,
    counterclockwise: 0 is the right side, and 90 is the top. `depth` is the largest relative change of a pixel: 0
    makes no ramp, and 1 makes the darkest point black. Black pixels stay black, so the change depends on the image.

    g is the gain of a channel. In images with three channels (RGB), the gain is 1 + cast for red, 1 for green and 1 -
    cast for blue. So a positive `cast` makes the light warm, and a negative one makes it cold. In other images, g is 1.

    Source: ours.

    Raises InputError for a depth outside [0, 1], and for a cast outside [-1, 1].

    >>> Light(depth=0.5, angle=0)(np.full((1, 1, 1, 3), 0.5)).ravel().tolist()
    [0.25, 0.5, 0.75]
    """

    name: ClassVar[str] = "light"
    strength_setting: ClassVar[str | None] = "depth"
    depth: float = 0.8
    angle: float = 0.0
    cast: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.depth <= 1 and -1 <= self.cast <= 1):
            raise InputError(
                f"expected depth in [0, 1] and cast in [-1, 1], got {self.depth:g} and {self.cast:g}; e.g. 0.5 and 0"
            )

    def apply(self, images: Images) -> Images:
        channels, height, width = images.shape[1:]
        radians = np.deg2rad(self.angle)
        along = np.cos(radians) * _centred(width) - np.sin(radians) * _centred(height)[:, None]
        ramp = 1 + self.depth * along / max(np.abs(along).max(), 1e-12)
        gains = np.array([1 + self.cast, 1, 1 - self.cast]) if channels == 3 else np.ones(channels)
        return images * (gains[:, None, None] * ramp).astype(np.float32)


def _centred(side: int) -> NDArray[np.floating]:
    """The positions of `side` pixels, in pixels from the middle of the image."""
    return np.arange(side) - (side - 1) / 2
