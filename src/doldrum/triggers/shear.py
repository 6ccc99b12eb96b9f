"""Shear: move the rows of an image sideways, so that upright lines lean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from doldrum.errors import InputError
from doldrum.triggers.base import Images, Trigger
from doldrum.triggers.resampling import resample

__all__ = ["Shear"]

_MOST = 10.0


@dataclass(frozen=True, eq=False)
class Shear(Trigger):
    """Move row i of H rows to the right by slope ((H - 1)/2 - i) pixels: upright lines lean to the right.

    The middle row stays where it is. Values between pixels are interpolated bilinearly, and positions are clipped to
    the image. `slope` is the tangent of the angle by which upright lines lean, and is the strength: 0 changes nothing.
    A negative `slope` makes upright lines lean to the left.

    Source: ours. The shear is an affine transformation: Gonzalez & Woods, "Digital image processing" (3rd edition),
    section 2.6.

    Raises InputError for a slope outside [-10, 10].

    >>> Shear(slope=1)(np.array([[[[0.0, 1.0, 0.0]] * 3]]))[0, 0].tolist()
    [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """

    name: ClassVar[str] = "shear"
    strength_setting: ClassVar[str | None] = "slope"
    slope: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -_MOST <= self.slope <= _MOST:
            raise InputError(f"expected slope in [{-_MOST:g}, {_MOST:g}], got {self.slope:g}; e.g. 0.2")

    def apply(self, images: Images) -> Images:
        height, width = images.shape[2:]
        field = np.zeros((2, height, width))
        field[1] = self.slope * (np.arange(height) - (height - 1) / 2)[:, None]
        return resample(images, field)
