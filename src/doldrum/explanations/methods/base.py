"""The interface `Method` of all ways to take a trigger from images and put it on other images.

Each method has its own file. This file does not import any method.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.triggers.base import Trigger

__all__ = ["Carried", "Images", "Method", "Score"]

Images = NDArray[np.float32]
"""Images (N, C, H, W) with values in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Carried(ABC):
    """A pattern that was found in images, as an operation that puts it on other images.

    `level` is the index of its size in the method's `levels`.
    """

    level: int

    @abstractmethod
    def __call__(self, images: Images) -> Images:
        """Copies of images (N, C, H, W) with the pattern put on them, with values in [0, 1]."""

    @property
    @abstractmethod
    def size(self) -> str:
        """The size of the pattern in words."""

    @abstractmethod
    def trigger(self) -> Trigger:
        """The same operation as a Trigger object, which holds everything that it needs."""

    @abstractmethod
    def where(self) -> dict[str, Any]:
        """The values that, together with the source images, determine the pattern. JSON can hold them."""


Score = Callable[[Sequence[Carried]], NDArray[np.float64]]
"""A function that says how often each pattern changes the search images to the class. Higher is better."""


class Method(ABC):
    """One way to search for a trigger in images, with predicted labels only.

    `levels` are sizes, largest first. A pattern found at a level is at most as large as the size of this level. So
    searches at one level in different images are comparable. If `together` is True, the method takes several images at
    once and finds what they share. If `together` is False, the method takes one image. `by_class` is the largest level
    at which a claim may be about clean images of a single class. At larger levels, so much of an image is put on other
    images that a trusted image often works for some class.
    """

    kind: ClassVar[str]
    levels: ClassVar[tuple[float, ...]]
    together: ClassVar[bool] = False
    by_class: ClassVar[float] = float("inf")

    @abstractmethod
    def find(self, images: Images, clean: Images, score: Score) -> list[Carried]:
        """The best pattern of each level in the images (g, C, H, W), in the order of `levels`.

        `clean` holds images of other classes, for comparison.
        """

    @abstractmethod
    def again(self, images: Images, clean: Images, level: int, where: Mapping[str, Any]) -> Carried:
        """The pattern that `find` found at a level, made again from its `where` values."""

    def smaller(self, carried: Carried, good: Callable[[Sequence[Carried]], NDArray[np.bool_]]) -> Carried:
        """The smallest version of a pattern that is still `good`. By default, the pattern is returned unchanged.

        `good` says for each of several patterns whether it works well enough.
        """
        return carried
