"""Sharpen: make edges stronger with an unsharp mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from doldrum.errors import InputError
from doldrum.triggers.base import Images, Trigger
from doldrum.triggers.resampling import blur

__all__ = ["Sharpen"]

_MOST = 100.0


@dataclass(frozen=True, eq=False)
class Sharpen(Trigger):
    """Change each image x to clip(x + amount (x - b)), where b is x after a Gaussian blur.

    This is the unsharp mask of photo editors. The blur has a standard deviation of `sigma` pixels, and the pixels at
    the edge of the image are repeated outside of it. `amount` has no unit, and is the strength: 0 changes nothing.

    Source: ours. The filter is unsharp masking: Gonzalez & Woods, "Digital image processing" (3rd edition),
    section 3.6.

    Raises InputError for an amount or a sigma outside 0 to 100.

    >>> flat = np.full((1, 1, 5, 5), 0.25, dtype=np.float32)
    >>> bool(np.allclose(Sharpen()(flat), flat))
    True
    """

    name: ClassVar[str] = "sharpen"
    strength_setting: ClassVar[str | None] = "amount"
    amount: float = 2.0
    sigma: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.amount <= _MOST and 0 <= self.sigma <= _MOST):
            raise InputError(
                f"expected amount and sigma from 0 to {_MOST:g}, got {self.amount:g} and {self.sigma:g}; e.g. 2 and 1"
            )

    def apply(self, images: Images) -> Images:
        return np.asarray(images + self.amount * (images - blur(images, self.sigma)), dtype=np.float32)
