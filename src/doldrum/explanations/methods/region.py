"""`Region` is a rectangle of a flagged image that is pasted into other images at the same place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.explanations.methods.base import Carried, Images, Method, Score
from doldrum.explanations.methods.windows import best_windows
from doldrum.triggers.masked import MaskedPattern

__all__ = ["Region", "Regions"]


@dataclass(frozen=True, eq=False)
class Region(Carried):
    """A rectangle of the image `image`: `height` rows from row `top`, and `width` columns from column `left`.

    >>> import numpy as np
    >>> paste = Region(0, np.ones((1, 2, 2), np.float32), top=0, left=1, height=2, width=1)
    >>> paste(np.zeros((1, 1, 2, 2), np.float32)).tolist(), paste.size
    ([[[[0.0, 1.0], [0.0, 1.0]]]], '2 x 1 pixels')
    """

    image: Images
    top: int
    left: int
    height: int
    width: int

    def __call__(self, images: Images) -> Images:
        made = images.copy()
        rows, columns = slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)
        made[:, :, rows, columns] = self.image[:, rows, columns]
        return made

    @property
    def size(self) -> str:
        return f"{self.height} x {self.width} pixels"

    def trigger(self) -> MaskedPattern:
        """The trigger has the region's pixels and a mask of 0 and 1. The trigger holds no other pixels of the image."""
        mask = np.zeros(self.image.shape[1:], dtype=np.float32)
        mask[self.top : self.top + self.height, self.left : self.left + self.width] = 1
        return MaskedPattern(mask=mask, pattern=mask * self.image)

    def where(self) -> dict[str, Any]:
        return {"top": self.top, "left": self.left, "height": self.height, "width": self.width}


class Regions(Method):
    """The method that pastes rectangles. A level is the size of a rectangle, as a share of the image's height and
    width.

    Source: Chou et al., SentiNet, arXiv 1812.00292, for the idea of pasting a region into other images. The search is
    this project's own, because SentiNet's search needs gradients.
    """

    kind = "region"
    levels = (0.5, 0.36, 0.25, 0.18, 0.125, 0.09)
    by_class = 0.36

    def find(self, images: Images, clean: Images, score: Score) -> list[Carried]:
        image, (height, width) = images[0], images.shape[2:]
        windows = best_windows(
            height, width, self.levels, lambda level, all_: score([Region(level, image, *one) for one in all_])
        )
        return [Region(level, image, *window) for level, window in enumerate(windows)]

    def again(self, images: Images, clean: Images, level: int, where: Mapping[str, Any]) -> Carried:
        return Region(level, images[0], **where)

    def smaller(self, carried: Carried, good: Callable[[Sequence[Carried]], NDArray[np.bool_]]) -> Carried:
        """Cut rows and columns off the region's four sides, one after the other, while the region still works well."""
        assert isinstance(carried, Region)
        found = carried
        step = max(1, min(found.height, found.width) // 4)
        while step:
            cuts = _cuts(found, step)
            fine = np.flatnonzero(good(cuts)) if cuts else []
            found, step = (cuts[int(fine[0])], step) if len(fine) else (found, step // 2)
        return found


def _cuts(region: Region, step: int) -> list[Region]:
    """Up to four smaller copies of the region: each copy has `step` rows or columns cut off at one of the four
    sides."""
    cuts = []
    if region.height > step:
        lower = replace(region, height=region.height - step)
        cuts += [lower, replace(lower, top=region.top + step)]
    if region.width > step:
        narrower = replace(region, width=region.width - step)
        cuts += [narrower, replace(narrower, left=region.left + step)]
    return cuts
