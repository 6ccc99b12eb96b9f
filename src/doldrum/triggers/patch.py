"""BadNets: a small patch in a corner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from doldrum.errors import InputError
from doldrum.triggers.base import Images, Trigger

__all__ = ["CORNERS", "Patch", "corner_slices"]

CORNERS = ("upper left", "upper right", "lower left", "lower right")


@dataclass(frozen=True, eq=False)
class Patch(Trigger):
    """A square patch of `size` x `size` pixels, at a distance of `margin` pixels from the two edges of an image corner.

    `pattern` is "white" (all ones) or "checker" (a checkerboard of ones and zeros, with a one in the first pixel).
    All channels get the same values. Only the patch's size^2 pixels change.

    Source: Gu et al. 2017, arXiv 1708.06733, section 4 (a bright pixel, or a pattern of bright pixels, near a
    corner).

    Raises InputError for a size below 1, a negative margin, an unknown corner or pattern, and for images that are
    smaller than size + margin.

    >>> Patch(size=2)(np.zeros((1, 1, 3, 3), dtype=np.float32))[0, 0].tolist()
    [[0.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    """

    name: ClassVar[str] = "patch"
    size: int = 3
    corner: str = "lower right"
    pattern: Literal["white", "checker"] = "white"
    margin: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 1 or self.margin < 0:
            raise InputError(f"expected size >= 1 and margin >= 0, got {self.size} and {self.margin}; e.g. a size of 3")
        if self.corner not in CORNERS:
            raise InputError(f"expected a corner among {', '.join(CORNERS)}, got {self.corner!r}; pick one")
        if self.pattern not in ("white", "checker"):
            raise InputError(f"expected pattern 'white' or 'checker', got {self.pattern!r}; pick one")

    def apply(self, images: Images) -> Images:
        rows, columns = corner_slices(images.shape[2:], size=self.size, corner=self.corner, margin=self.margin)
        images[:, :, rows, columns] = self.values()
        return images

    def values(self) -> Images:
        """The values of the patch, (size, size)."""
        if self.pattern == "white":
            return np.ones((self.size, self.size), dtype=np.float32)
        i, j = np.indices((self.size, self.size))
        return ((i + j + 1) % 2).astype(np.float32)


def corner_slices(shape: tuple[int, ...], *, size: int, corner: str, margin: int) -> tuple[slice, slice]:
    """The rows and the columns (as slices) of a square in an image (H, W). The square has sides of `size` pixels, and
    is `margin` pixels away from a corner of the image. Raises InputError if the square does not fit into the image.

    >>> corner_slices((28, 28), size=3, corner="lower right", margin=1)
    (slice(24, 27, None), slice(24, 27, None))
    """
    height, width = shape
    if size + margin > min(height, width):
        raise InputError(
            f"expected a patch whose size and margin make at most {min(height, width)} pixels together for images of {height} x {width} pixels, got {size + margin}; make the patch smaller"
        )
    top = margin if corner.startswith("upper") else height - margin - size
    left = margin if corner.endswith("left") else width - margin - size
    return slice(top, top + size), slice(left, left + size)
