"""Motion blur: blur images along a straight line, as if the camera had moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from doldrum.errors import InputError
from doldrum.triggers.base import Images, Trigger
from doldrum.triggers.resampling import resample

__all__ = ["MotionBlur"]

_MOST_PIXELS = 100


@dataclass(frozen=True, eq=False)
class MotionBlur(Trigger):
    """Change each pixel to the mean of the image on a straight line of `length` pixels, whose middle is the pixel.

    The value at position p becomes the mean of x(p + t u) over n = ceil(length) + 1 values of t, which are evenly
    spaced from -length/2 to length/2. u is the direction (-sin angle, cos angle) in rows and columns: `angle` is in
    degrees, from the horizontal, counterclockwise. Values between pixels are interpolated bilinearly, and positions are
    clipped to the image. `length` is the strength: 0 changes nothing.

    Source: ours. The blur is a camera's motion at constant speed: Gonzalez & Woods, "Digital image processing" (3rd edition),
    section 5.6.

    Raises InputError for a length outside 0 to 100.

    >>> MotionBlur(length=2, angle=0)(np.array([[[[0.0, 0.0, 0.75, 0.0, 0.0]]]])).ravel().tolist()
    [0.0, 0.25, 0.25, 0.25, 0.0]
    """

    name: ClassVar[str] = "motion-blur"
    strength_setting: ClassVar[str | None] = "length"
    length: float = 4.0
    angle: float = 45.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.length <= _MOST_PIXELS:
            raise InputError(f"expected length from 0 to {_MOST_PIXELS} (pixels), got {self.length:g}; e.g. 4")

    def apply(self, images: Images) -> Images:
        radians = np.deg2rad(self.angle)
        u = np.array([-np.sin(radians), np.cos(radians)])
        steps = np.linspace(-self.length / 2, self.length / 2, int(np.ceil(self.length)) + 1)
        total = np.zeros_like(images)
        for t in steps:
            field = np.broadcast_to((t * u)[:, None, None], (2, *images.shape[2:]))
            total += resample(images, field)
        return total / np.float32(len(steps))
