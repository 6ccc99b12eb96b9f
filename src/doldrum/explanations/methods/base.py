"""The class `Method` is the interface of all methods that take a trigger from images and put it on other images.

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
    """A pattern that was found in some images, as a function that puts this pattern on other images.

    `level` is the index of the pattern's size in the method's `levels`.
    """

    level: int

    @abstractmethod
    def __call__(self, images: Images) -> Images:
        """Return copies of images (N, C, H, W) with the pattern on them. All values are in [0, 1]."""

    @property
    @abstractmethod
    def size(self) -> str:
        """A text that states the size of the pattern, such as "2 x 1 pixels"."""

    @abstractmethod
    def trigger(self) -> Trigger:
        """The pattern as a Trigger object, which can be used without the source images."""

    @abstractmethod
    def where(self) -> dict[str, Any]:
        """Return numbers that JSON can hold, such as a position. From these numbers and the source images, the pattern
        can be made again."""


Score = Callable[[Sequence[Carried]], NDArray[np.float64]]
"""A function that scores patterns: the more search images a pattern changes to the class, the higher its score."""


class Method(ABC):
    """One way to search for a trigger in images, with predicted labels only.

    `levels` are the sizes of patterns to try, from the largest to the smallest. A pattern found at a level is at most
    as large as the size of this level. So patterns that were found at the same level in different images can be
    compared. If `together` is True, the method takes several images at once and finds what these images share. If
    `together` is False, the method searches one image at a time. A claim may be about the clean images of a single
    class only if the pattern's level is at most `by_class`. At larger levels, a pattern holds so much of an image that
    the pattern of a trusted image often works too.
    """

    kind: ClassVar[str]
    levels: ClassVar[tuple[float, ...]]
    together: ClassVar[bool] = False
    by_class: ClassVar[float] = float("inf")

    @abstractmethod
    def find(self, images: Images, clean: Images, score: Score) -> list[Carried]:
        """Search the images (g, C, H, W), and return the best pattern of each level, in the order of `levels`.

        `clean` holds images of other classes, for comparison.
        """

    @abstractmethod
    def again(self, images: Images, clean: Images, level: int, where: Mapping[str, Any]) -> Carried:
        """Rebuild the pattern that `find` found at the level `level`. `where` holds the numbers that the pattern's
        method `where` returned."""

    def smaller(self, carried: Carried, good: Callable[[Sequence[Carried]], NDArray[np.bool_]]) -> Carried:
        """Make a pattern smaller for as long as `good` says that the pattern works. By default, the pattern is returned
        unchanged.

        `good` takes several patterns, and says which of these patterns work well enough.
        """
        return carried
