"""SIG: add a horizontal sinusoid to the whole image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from doldrum.errors import InputError
from doldrum.triggers.base import Images, Trigger

__all__ = ["Sinusoid"]


@dataclass(frozen=True, eq=False)
class Sinusoid(Trigger):
    """Change each image x to clip(x + v), with v(i, j) = delta sin(2 pi j f / m) for row i, column j of m columns, and
    frequency f.

    `delta` is in units of the [0, 1] pixel range (the paper's 40 is 40/255), and is the strength. `frequency` f is the
    number of waves across the image. All rows and channels get the same values.

    Source: Barni, Kallas, Tondi 2019, arXiv 1902.11237, section 3.1. The paper uses this trigger with clean-label
    poisoning.

    Raises InputError for a delta outside [0, 1], and for a frequency f that is not above 0. Images with at most 2 f
    columns are refused too: with so few columns, the sampled wave would have another frequency, or be zero.

    >>> wave = Sinusoid(delta=0.5, frequency=1)(np.full((1, 1, 1, 4), 0.5, dtype=np.float32))
    >>> wave.round(3).ravel().tolist()
    [0.5, 1.0, 0.5, 0.0]
    """

    name: ClassVar[str] = "sinusoid"
    strength_setting: ClassVar[str | None] = "delta"
    delta: float = 40 / 255
    frequency: float = 6.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.delta <= 1 and self.frequency > 0):
            raise InputError(
                f"expected delta in [0, 1] and frequency > 0, got {self.delta:g} and {self.frequency:g}; "
                "divide a delta of the 0-255 range by 255"
            )

    def apply(self, images: Images) -> Images:
        if images.shape[3] <= 2 * self.frequency:
            raise InputError(
                f"expected images of more than {2 * self.frequency:g} columns, got {images.shape[3]}; lower the frequency"
            )
        columns = np.arange(images.shape[3]) / images.shape[3]
        return images + (self.delta * np.sin(2 * np.pi * self.frequency * columns)).astype(np.float32)
