"""Recognise images that have already occurred in a stream, such as an image that a client sends again."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Seen"]


class Seen:
    """Remembers the numbers that `new` got, such as the tie breakers of images. If there are more than `most` different
    numbers, the oldest number is forgotten.

    >>> seen = Seen(most=2)
    >>> seen.new([0.1, 0.2, 0.1]).tolist(), seen.new([0.3, 0.1, 0.2]).tolist()
    ([True, True, False], [True, False, True])
    """

    def __init__(self, *, most: int = 1 << 16) -> None:
        self._most, self._held = most, dict[float, None]()

    def new(self, numbers: Iterable[float]) -> NDArray[np.bool_]:
        """Whether each number is new, that is, not among the remembered numbers. A remembered number that occurs again
        becomes the newest number."""
        found: list[bool] = []
        for number in map(float, numbers):
            found.append(number not in self._held)
            self._held.pop(number, None)
            self._held[number] = None
            if len(self._held) > self._most:
                self._held.pop(next(iter(self._held)), None)
        return np.array(found, dtype=np.bool_)
