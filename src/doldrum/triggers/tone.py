"""Tone: change the brightness of the mid-tones with a curve, and keep black and white."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from doldrum.errors import InputError
from doldrum.triggers.base import Images, Trigger

__all__ = ["Tone"]

_MOST = 4.0


@dataclass(frozen=True, eq=False)
class Tone(Trigger):
    """Change each pixel value x to x^g, with g = 2^amount.

    This is the gamma curve of photo editors. A positive `amount` makes the mid-tones darker, and a negative `amount`
    makes them brighter. Black and white stay the same. `amount` has no unit, and is the strength: 0 changes nothing.
    The change of a pixel depends on its value, so it depends on the image.

    Source: ours. The curve is the power-law transformation of Gonzalez & Woods, "Digital image processing" (3rd edition),
    section 3.2.

    Raises InputError for an amount outside [-4, 4].

    >>> Tone(amount=1)(np.array([[[[0.0, 0.5, 1.0]]]])).ravel().tolist()
    [0.0, 0.25, 1.0]
    """

    name: ClassVar[str] = "tone"
    strength_setting: ClassVar[str | None] = "amount"
    amount: float = -2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -_MOST <= self.amount <= _MOST:
            raise InputError(
                f"expected amount in [{-_MOST:g}, {_MOST:g}], got {self.amount:g}; the exponent is 2^amount, e.g. 1"
            )

    def apply(self, images: Images) -> Images:
        return np.power(images, np.float32(2.0**self.amount))
