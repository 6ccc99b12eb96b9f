"""Band: some of the image's spatial frequencies in place of those of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from doldrum.explanations.methods.base import Carried, Images, Method, Score
from doldrum.explanations.methods.cosines import cosines
from doldrum.explanations.methods.windows import best_windows

__all__ = ["Band", "Bands"]


@dataclass(frozen=True, eq=False)
class Band(Carried):
    """The cosine coefficients of `image` in so many rows and columns of them, in place of the other image's own; clipped to [0, 1].

    >>> import numpy as np
    >>> mean = Band(0, np.full((1, 2, 2), 0.5, np.float32), top=0, left=0, height=1, width=1)
    >>> mean(np.array([[[[0.0, 0.2], [0.2, 0.0]]]], np.float32)).round(3).astype(float).round(3).tolist()
    [[[[0.4, 0.6], [0.6, 0.4]]]]
    """

    image: Images
    top: int
    left: int
    height: int
    width: int

    def __call__(self, images: Images) -> Images:
        rows = cosines(images.shape[2])[self.top : self.top + self.height]
        columns = cosines(images.shape[3])[self.left : self.left + self.width]
        change = rows.T @ (rows @ (self.image[None] - images) @ columns.T) @ columns
        return np.clip(images + change, 0, 1, dtype=np.float32)

    @property
    def size(self) -> str:
        return f"{self.height} x {self.width} frequencies"

    def where(self) -> dict[str, Any]:
        return {"top": self.top, "left": self.left, "height": self.height, "width": self.width}


class Bands(Method):
    """Rectangles of frequencies; a level is a share of the number along each side."""

    kind = "band"
    levels = (0.71, 0.5, 0.36, 0.25, 0.18, 0.125)
    by_class = 0.0

    def find(self, images: Images, clean: Images, score: Score) -> list[Carried]:
        image, (height, width) = images[0], images.shape[2:]
        windows = best_windows(
            height, width, self.levels, lambda level, all_: score([Band(level, image, *one) for one in all_])
        )
        return [Band(level, image, *window) for level, window in enumerate(windows)]

    def again(self, images: Images, clean: Images, level: int, where: Mapping[str, Any]) -> Carried:
        return Band(level, images[0], **where)
