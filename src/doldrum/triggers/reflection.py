"""Reflection: add a blurred reflection of the image in itself, as glass does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from doldrum.errors import InputError
from doldrum.triggers.base import Images, Trigger
from doldrum.triggers.resampling import blur, resample

__all__ = ["Reflection"]

_MOST_PIXELS = 1000


@dataclass(frozen=True, eq=False)
class Reflection(Trigger):
    """Change each image x to (1 - alpha) x + alpha r, where r is a reflection of x.

    r is the image, mirrored left-right, blurred with a Gaussian of standard deviation `sigma` pixels (out of focus),
    and moved by `shift` pixels downwards and to the right. Positions outside the image are clipped to it. `alpha` is
    the strength: 0 changes nothing.

    Source: Liu et al. 2020, "Reflection backdoor", arXiv 2007.02343, section 3. There, the reflection is of another
    photo. Here, it is of the image itself, so no other photos are needed, and the trigger depends on the image.

    Raises InputError for an alpha outside [0, 1], a sigma outside 0 to 100, and a shift outside -1000 to 1000.

    >>> Reflection(alpha=0.5, sigma=0, shift=0)(np.array([[[[0.0, 0.5, 1.0]]]])).ravel().tolist()
    [0.5, 0.5, 0.5]
    """

    name: ClassVar[str] = "reflection"
    strength_setting: ClassVar[str | None] = "alpha"
    alpha: float = 0.3
    sigma: float = 1.0
    shift: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.alpha <= 1:
            raise InputError(
                f"expected alpha in [0, 1], got {self.alpha:g}; it is the weight of the reflection, e.g. 0.3"
            )
        if not (0 <= self.sigma <= 100 and abs(self.shift) <= _MOST_PIXELS):
            raise InputError(
                f"expected sigma from 0 to 100 and shift from -{_MOST_PIXELS} to {_MOST_PIXELS} (pixels), got "
                f"{self.sigma:g} and {self.shift:g}; e.g. 1 and 4"
            )

    def apply(self, images: Images) -> Images:
        mirrored = blur(images[..., ::-1], self.sigma)
        reflected = resample(mirrored, np.full((2, *images.shape[2:]), -self.shift))
        return np.asarray((1 - self.alpha) * images + self.alpha * reflected, dtype=np.float32)
