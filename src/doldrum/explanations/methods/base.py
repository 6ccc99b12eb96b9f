"""Method: how a trigger may be taken out of images and put on others. One method per file; this contract knows none of them."""

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
"""(N, C, H, W), in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Carried(ABC):
    """What was found in images, as an operation on other images. `level` is the index in its method's `levels`."""

    level: int

    @abstractmethod
    def __call__(self, images: Images) -> Images:
        """Other images (N, C, H, W) with it; new arrays in [0, 1]."""

    @property
    @abstractmethod
    def size(self) -> str:
        """How much of an image it is, in words."""

    @abstractmethod
    def trigger(self) -> Trigger:
        """The same operation as a Trigger, which holds all that it needs."""

    @abstractmethod
    def where(self) -> dict[str, Any]:
        """JSON-able: what decides it, beside the images that it was found in."""


Score = Callable[[Sequence[Carried]], NDArray[np.float64]]
"""How often the search images change to the class with each of these on them. Higher is better."""


class Method(ABC):
    """One way to look for a trigger in images, from labels alone.

    `levels` are sizes, largest first: what is found at a level is at most so large. So the same search of other images is as strong.
    `together` says that it takes several images at once, for what they share; the others take one. `by_class` is the largest level at
    which a claim may be about clean images of one class alone: where much of an image is put on others, some trusted image is much like some class.
    """

    kind: ClassVar[str]
    levels: ClassVar[tuple[float, ...]]
    together: ClassVar[bool] = False
    by_class: ClassVar[float] = float("inf")

    @abstractmethod
    def find(self, images: Images, clean: Images, score: Score) -> list[Carried]:
        """The best of each level that images (g, C, H, W) hold, in the order of `levels`; `clean` are images of others, for comparison."""

    @abstractmethod
    def again(self, images: Images, clean: Images, level: int, where: Mapping[str, Any]) -> Carried:
        """What `find` found at a level, from what its `where` said."""

    def smaller(self, carried: Carried, good: Callable[[Sequence[Carried]], NDArray[np.bool_]]) -> Carried:
        """The smallest that is still `good`, which says so of each of several; by default what there is."""
        return carried
