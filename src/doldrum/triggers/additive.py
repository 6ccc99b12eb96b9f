"""Add a fixed perturbation to every image, such as a universal adversarial perturbation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.triggers.arrays import frozen_array
from doldrum.triggers.base import Images, Trigger

__all__ = ["Additive"]


@dataclass(frozen=True, eq=False)
class Additive(Trigger):
    """Change each image x to clip(x + amplitude * d), with the same d (C, H, W), |d| <= 1, for all images.

    The strength is `amplitude`, the largest change of a pixel (L-inf budget), in units of the [0, 1] pixel range.

    Source: Moosavi-Dezfooli et al. 2017, arXiv 1610.08401 (one perturbation for all images).

    Raises InputError for an amplitude outside [0, 1], a perturbation that is not (C, H, W) or has values outside [-1,
    1], and images of another shape.

    >>> brighter = Additive(perturbation=np.ones((1, 1, 2)), amplitude=0.25)
    >>> brighter(np.array([[[[0.5, 1.0]]]]))[0, 0].tolist()
    [[0.75, 1.0]]
    """

    name: ClassVar[str] = "additive"
    strength_setting: ClassVar[str | None] = "amplitude"
    perturbation: NDArray[np.float32]
    amplitude: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        given = frozen_array(self.perturbation)
        # Written so that NaN fails too.
        if not 0 <= self.amplitude <= 1:
            raise InputError(f"expected amplitude in [0, 1], got {self.amplitude}; it is a share of the pixel range")
        if given.ndim != 3 or not given.size or not np.abs(given).max() <= 1:
            raise InputError(f"expected a perturbation (C, H, W) in [-1, 1], got shape {given.shape}; scale or reshape")
        object.__setattr__(self, "perturbation", given)

    def apply(self, images: Images) -> Images:
        if images.shape[1:] != self.perturbation.shape:
            raise InputError(
                f"expected images {self.perturbation.shape}, got {images.shape[1:]}; make the perturbation for images of this shape"
            )
        return np.add(images, np.float32(self.amplitude) * self.perturbation, dtype=np.float32)
