"""Assign rows to tiles (batches of fixed size).

The assignment depends only on the battery (the probes of an input) and the engine's target number of rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.engines.base import DeviceFill, Tile
from doldrum.measuring.battery import Battery

__all__ = ["TilePlan", "make_tiles", "plan_tiles"]


@dataclass(frozen=True)
class TilePlan:
    """How the rows of an input (see `Battery`) are divided into tiles.

    An input has `pairs` rows, which are divided into `tiles_each` tiles of `rows` rows. If an input has few rows,
    several inputs share a tile: `inputs_each` is the number of inputs per tile.
    """

    pairs: int
    rows: int
    tiles_each: int
    inputs_each: int

    def shared(self, allowed: bool) -> TilePlan:
        """Return this plan if inputs may share a tile. Otherwise, return a copy with one input per tile, in which
        unused rows stay empty."""
        return self if allowed else replace(self, inputs_each=1)


def plan_tiles(pairs: int, *, target: int) -> TilePlan:
    """Divide the rows of an input into the smallest number of equal tiles of at most `target` rows.

    >>> plan_tiles(401, target=128)
    TilePlan(pairs=401, rows=101, tiles_each=4, inputs_each=1)
    >>> plan_tiles(21, target=128)
    TilePlan(pairs=21, rows=126, tiles_each=1, inputs_each=6)
    """
    if pairs <= target:
        inputs = target // pairs
        return TilePlan(pairs, inputs * pairs, 1, inputs)
    tiles = math.ceil(pairs / target)
    return TilePlan(pairs, math.ceil(pairs / tiles), tiles, 1)


@dataclass(frozen=True, eq=False)
class _Rows(DeviceFill):
    """Fills a buffer with the rows `start` to `stop` - 1 of several images, one image after another. Unused rows of the
    buffer are set to 0."""

    battery: Battery
    images: NDArray[np.float32]
    start: int
    stop: int

    def __call__(self, buffer: NDArray[np.float32]) -> None:
        each = self.stop - self.start
        for at, image in enumerate(self.images):
            self.battery.fill(image, self.start, self.stop, buffer[at * each : (at + 1) * each])
        buffer[len(self.images) * each :] = 0

    def on(self, buffer: Any) -> None:
        count, each = len(self.images), self.stop - self.start
        self.battery.fill_on(self.images, self.start, self.stop, buffer[: count * each].unflatten(0, (count, each)))
        buffer[count * each :] = 0


def make_tiles(plan: TilePlan, images: NDArray[np.float32], battery: Battery) -> Iterator[Tile]:
    """Yield the tiles of a block of images. The key of a tile is (first input, number of inputs, first row, last row +
    1)."""
    for first in range(0, len(images), plan.inputs_each):
        count = min(plan.inputs_each, len(images) - first)
        for part in range(plan.tiles_each):
            start = part * plan.rows if plan.tiles_each > 1 else 0
            stop = min(plan.pairs, start + plan.rows)
            yield (first, count, start, stop), _Rows(battery, images[first : first + count], start, stop)
