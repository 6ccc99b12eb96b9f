"""A fixed pattern with a mask, such as an optimised patch (TrojanNN) or a sticker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.triggers.arrays import frozen_array
from doldrum.triggers.base import Images, Trigger
from doldrum.triggers.blended import blend

__all__ = ["MaskedPattern"]


@dataclass(frozen=True, eq=False)
class MaskedPattern(Trigger):
    """Change each image x to (1 - opacity m) x + opacity m p, with a mask m (H, W) and a pattern p (C, H, W) in [0, 1].

    The strength is `opacity`. Source: Liu et al. 2018, "Trojaning attack on neural networks", NDSS, section IV (the
    trojan trigger), and many later papers.

    Raises InputError for values outside [0, 1], for a mask and a pattern of different sizes, and for images of another
    shape.

    >>> one = MaskedPattern(mask=np.eye(2), pattern=np.ones((1, 2, 2)))
    >>> one(np.zeros((1, 1, 2, 2), dtype=np.float32))[0, 0].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    name: ClassVar[str] = "masked-pattern"
    strength_setting: ClassVar[str | None] = "opacity"
    mask: NDArray[np.float32]
    pattern: NDArray[np.float32]
    opacity: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        mask, pattern = frozen_array(self.mask), frozen_array(self.pattern)
        if mask.ndim != 2 or pattern.ndim != 3 or pattern.shape[1:] != mask.shape:
            raise InputError(
                f"expected a mask (H, W) and a pattern (C, H, W), got shapes {mask.shape} and {pattern.shape}; make their sizes equal"
            )
        for what, values in (("mask", mask), ("pattern", pattern), ("opacity", np.array(self.opacity))):
            if not (values.min() >= 0 and values.max() <= 1):
                raise InputError(f"expected {what} in [0, 1], got {values.min():g} to {values.max():g}; clip it")
        object.__setattr__(self, "mask", mask)
        object.__setattr__(self, "pattern", pattern)

    def apply(self, images: Images) -> Images:
        if images.shape[1:] != self.pattern.shape and (
            self.pattern.shape[0] != 1 or images.shape[2:] != self.mask.shape
        ):
            raise InputError(
                f"expected images {self.pattern.shape}, got {images.shape[1:]}; make the trigger for images of this shape"
            )
        return blend(images, self.pattern, np.float32(self.opacity) * self.mask)
