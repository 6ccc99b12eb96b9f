"""Blend: the whole image laid over others, at some opacity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from doldrum.explanations.methods.base import Carried, Images, Method, Score

__all__ = ["Blend", "Blends"]


@dataclass(frozen=True, eq=False)
class Blend(Carried):
    """(1 - opacity) of the other image and `opacity` of `image`.

    >>> import numpy as np
    >>> Blend(0, np.ones((1, 1, 1), np.float32), 0.25)(np.zeros((1, 1, 1, 1), np.float32)).item()
    0.25
    """

    image: Images
    opacity: float

    def __call__(self, images: Images) -> Images:
        made = (1 - self.opacity) * images + self.opacity * self.image
        return made.astype(np.float32, copy=False)

    @property
    def size(self) -> str:
        return f"{self.opacity:.0%} of the whole image"

    def where(self) -> dict[str, Any]:
        return {"opacity": self.opacity}


class Blends(Method):
    """A level is an opacity; nothing is searched for."""

    kind = "blend"
    levels = (0.5, 0.4, 0.3, 0.2, 0.1)
    by_class = 0.0

    def find(self, images: Images, clean: Images, score: Score) -> list[Carried]:
        return [Blend(level, images[0], opacity) for level, opacity in enumerate(self.levels)]

    def again(self, images: Images, clean: Images, level: int, where: Mapping[str, Any]) -> Carried:
        return Blend(level, images[0], **where)
