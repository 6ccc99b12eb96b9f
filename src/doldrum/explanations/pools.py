"""`Pools` decides which clean images are used for which purpose for a class: to search, to test, or as controls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doldrum.explanations.effort import Effort
from doldrum.explanations.methods.base import Images
from doldrum.seeds import rng

__all__ = ["FEWEST_HELD", "Pool", "Pools"]

FEWEST_HELD = 20
"""The smallest number of held-back images on which a pattern can be tested."""


@dataclass(frozen=True, eq=False)
class Pool:
    """The indices of the clean images that are used for one class. Each attribute of a Pool has the images for one
    purpose.

    `search` and `choose` are used to find a trigger; `choose` includes `search`. `held` is used only to test the found
    trigger. No image in `search`, `choose` or `held` is predicted as the class. `own` holds the images that are
    predicted as the class; the flagged image is compared with these images.
    """

    search: NDArray[np.int64]
    choose: NDArray[np.int64]
    held: NDArray[np.int64]
    own: NDArray[np.int64]


class Pools:
    """Divides clean images (N, C, H, W) in [0, 1] with labels (N,) by purpose. The order in which images are taken
    depends only on the seed.

    >>> pool = Pools(np.zeros((100, 1, 2, 2), np.float32), np.arange(100) % 5, Effort(4, 10, 30, 9), seed=0).of(2)
    >>> len(pool.choose), len(pool.held), len(pool.own), bool(set(pool.held) & set(pool.choose))
    (10, 70, 20, False)
    """

    def __init__(self, images: Images, labels: NDArray[np.int64], effort: Effort, *, seed: int) -> None:
        self.images, self.labels, self.effort = images, labels, effort
        order = rng(seed, "explain", "clean").permutation(len(labels))
        self._order = order[labels[order] >= 0]

    def of(self, label: int) -> Pool:
        """Divide the clean images for one class by purpose, and return their indices."""
        labels = self.labels[self._order]
        others = self._order[labels != label]
        # Where clean images are few, half of them are held back
        choose = others[: min(self.effort.choose, len(others) // 2)]
        return Pool(self._mixed(choose), choose, others[len(choose) :], self._order[labels == label])

    def _mixed(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Choose images from as many classes as possible: first one image of each class, then a second image of each
        class, …"""
        seen: dict[int, int] = {}
        turns = []
        for label in self.labels[indices].tolist():
            turns.append(seen.get(label, 0))
            seen[label] = turns[-1] + 1
        return indices[np.argsort(turns, kind="stable")[: self.effort.search]]
