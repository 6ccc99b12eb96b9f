"""Sharpen: make edges stronger with an unsharp mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.ndimage import gaussian_filter

from doldrum.errors import InputError
from doldrum.triggers.base import Images, Trigger

__all__ = ["Sharpen"]

_MOST = 100.0


@dataclass(frozen=True, eq=False)
class Sharpen(Trigger):
    """Change each image x to clip(x + amount (x - b)), where b is x after a Gaussian blur.

    This is the unsharp mask of photo editors. The blur has a standard deviation of `sigma` pixels, and the pixels at
    the edge of the image are repeated outside of it. `amount` has no unit, and is the strength: 0 changes nothing.

    Source: ours. The filter is unsharp masking: Gonzalez & Woods, "Digital image processing", section 3.6.

    Raises InputError for an amount or a sigma outside 0 to 100.

    >>> flat = np.full((1, 1, 5, 5), 0.25, dtype=np.float32)
    >>> bool(np.allclose(Sharpen()(flat), flat))
    True
    """

    name: ClassVar[str] = "sharpen"
    strength_setting: ClassVar[str | None] = "amount"
    amount: float = 1.0
    sigma: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.amount <= _MOST and 0 <= self.sigma <= _MOST):
            raise InputError(
                f"expected amount and sigma from 0 to {_MOST:g}, got {self.amount:g} and {self.sigma:g}; e.g. 1 and 1"
            )

    def apply(self, images: Images) -> Images:
        blurred = gaussian_filter(images, self.sigma, axes=(2, 3), mode="nearest")
        return images + np.float32(self.amount) * (images - blurred)
