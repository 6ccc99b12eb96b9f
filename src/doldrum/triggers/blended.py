"""Blended: a pattern of the size of the image is blended with the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.triggers.arrays import frozen_array
from doldrum.triggers.base import Images, Trigger

__all__ = ["Blended", "blend", "check_pattern", "check_share", "pattern_for"]


@dataclass(frozen=True, eq=False)
class Blended(Trigger):
    """Change each image x to (1 - alpha) x + alpha k, with the same pattern k for all images.

    `pattern` is an image (C, H, W) in [0, 1], such as a picture; if C is 1, all channels get it. If `pattern` is None,
    the pattern is uniform noise, which depends on `pattern_seed` and the image shape. The strength is `alpha`.

    Source: Chen et al. 2017, arXiv 1712.05526, section 3.2 (blended injection).

    Raises InputError for alpha outside [0, 1], for a pattern that is not an image in [0, 1], and for images of another
    size than the pattern.

    >>> black = np.zeros((1, 1, 2, 2), dtype=np.float32)
    >>> Blended(alpha=0.25, pattern=np.ones((1, 2, 2)))(black)[0, 0].tolist()
    [[0.25, 0.25], [0.25, 0.25]]
    """

    name: ClassVar[str] = "blended"
    strength_setting: ClassVar[str | None] = "alpha"
    alpha: float = 0.2
    pattern: NDArray[np.float32] | None = None
    pattern_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("alpha", self.alpha)
        check_pattern(self)

    def apply(self, images: Images) -> Images:
        pattern = pattern_for(images.shape[1:], pattern=self.pattern, seed=self.pattern_seed)
        return blend(images, pattern, self.alpha)


def blend(images: Images, pattern: Images, weight: float | Images) -> Images:
    """Compute (1 - weight) images + weight pattern in float32."""
    weight = np.asarray(weight, dtype=np.float32)
    return ((1 - weight) * images + weight * pattern).astype(np.float32, copy=False)


def check_pattern(trigger: Trigger) -> None:
    """Check the `pattern` of a new trigger, and make it read-only."""
    pattern = getattr(trigger, "pattern", None)
    if pattern is None:
        return
    pattern = frozen_array(pattern)
    if pattern.ndim != 3 or not (pattern.min() >= 0 and pattern.max() <= 1):
        raise InputError(f"expected a pattern (C, H, W) in [0, 1], got shape {pattern.shape}; divide by 255 or reshape")
    object.__setattr__(trigger, "pattern", pattern)


def check_share(name: str, value: float) -> None:
    """Raise InputError unless a setting is in [0, 1]."""
    if not 0 <= value <= 1:
        raise InputError(f"expected {name} as a number in [0, 1], got {value}; it is a share of the pixel range")


def pattern_for(shape: tuple[int, ...], *, pattern: NDArray[np.float32] | None, seed: int) -> Images:
    """Return the given pattern if it fits images of shape (C, H, W), and raise InputError if it does not.

    If no pattern is given, the result is uniform noise.
    """
    if pattern is None:
        return rng(seed, "pattern", *(int(s) for s in shape)).random(shape, dtype=np.float32)
    if pattern.shape[1:] != shape[1:] or pattern.shape[0] not in (1, shape[0]):
        raise InputError(
            f"expected images that fit a pattern of shape {pattern.shape}, got images of shape {shape}; resize the images or the pattern"
        )
    return pattern
