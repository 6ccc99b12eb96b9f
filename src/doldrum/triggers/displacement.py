"""A warp in which the displacement of every pixel is given, such as a warp found by trigger inversion."""

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
    """Warp images: each output pixel gets the input's value at its own position plus `scale` times `field`,
    interpolated bilinearly.

    `field` is (2, H, W): displacements of rows, then of columns, in pixels. Positions are clipped to the image. The
    caller gives the field, for example a field that trigger inversion found. (The trigger of the attack WaNet,
    :class:`doldrum.triggers.Warp`, also warps images, but makes its field from random numbers, which a seed
    determines.) The strength is `scale`.

    Raises InputError for a field with another shape or with values that are not finite, and for images of another size.

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
