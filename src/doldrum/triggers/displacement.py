"""A warp whose every displacement is given: what an inverted warp comes down to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.triggers.arrays import frozen_array
from doldrum.triggers.base import Images, Trigger
from doldrum.triggers.resampling import resample

__all__ = ["Displacement"]


@dataclass(frozen=True, eq=False)
class Displacement(Trigger):
    """Each output pixel is read, bilinearly, `strength` times `field` pixels away from its place; positions are clipped to the image.

    `field` is (2, H, W): rows, then columns, in pixels. Where WaNet's field comes from a seed (:class:`doldrum.triggers.Warp`), this one was found.

    Raises InputError for a field of another shape or values that are not finite, and images of another size.

    >>> right = np.stack([np.zeros((1, 3)), np.ones((1, 3))])
    >>> Displacement(field=right)(np.array([[[[0.0, 0.5, 1.0]]]]))[0, 0].tolist()
    [[0.5, 1.0, 1.0]]
    """

    name: ClassVar[str] = "displacement"
    strength_setting: ClassVar[str | None] = "scale"
    field: NDArray[np.float32]
    scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        field = frozen_array(self.field)
        if field.ndim != 3 or field.shape[0] != 2 or not np.isfinite(field).all() or not np.isfinite(self.scale):
            raise InputError(
                f"expected a finite field of shape (2, height, width), in pixels, got shape {field.shape}; give the shifts of rows and of columns"
            )
        object.__setattr__(self, "field", field)

    def apply(self, images: Images) -> Images:
        if images.shape[2:] != self.field.shape[1:]:
            raise InputError(
                f"expected images of {self.field.shape[1:]}, got {images.shape[2:]}; make the trigger for images of this shape"
            )
        return resample(images, self.scale * self.field.astype(np.float64))
