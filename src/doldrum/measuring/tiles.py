"""Which rows share a tile: a function of the probe and the engine's row target alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doldrum.engines.base import Tile
from doldrum.probes import BoundProbe

__all__ = ["TilePlan", "plan_tiles"]


@dataclass(frozen=True)
class TilePlan:
    """The rows of one input are numbered 0 (unperturbed), then condition by condition, draw by draw.

    `pairs` = 1 + C n of them are cut into `tiles_each` tiles of `rows`; where they are few, `inputs_each` inputs share one.
    """

    conditions: int
    draws: int
    rows: int
    tiles_each: int
    inputs_each: int

    @property
    def pairs(self) -> int:
        return 1 + self.conditions * self.draws

    def shared(self, allowed: bool) -> TilePlan:
        """This plan, or where sharing tiles is not allowed, one input a tile (the spare rows stay empty)."""
        return self if allowed else TilePlan(self.conditions, self.draws, self.rows, self.tiles_each, 1)

    def segments(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Rows start..stop of an input as (condition, first draw, last draw + 1); condition -1 is the unperturbed row."""
        if start == 0:
            yield -1, 0, 1
            start = 1
        while start < stop:
            condition, first = divmod(start - 1, self.draws)
            last = min(self.draws, first + stop - start)
            yield condition, first, last
            start += last - first


def plan_tiles(conditions: int, draws: int, *, target: int) -> TilePlan:
    """Cut the rows of an input into as few even tiles of at most `target` rows as there can be.

    >>> plan_tiles(4, 100, target=128)
    TilePlan(conditions=4, draws=100, rows=101, tiles_each=4, inputs_each=1)
    >>> plan_tiles(1, 20, target=128)
    TilePlan(conditions=1, draws=20, rows=126, tiles_each=1, inputs_each=6)
    """
    pairs = 1 + conditions * draws
    if pairs <= target:
        inputs = target // pairs
        return TilePlan(conditions, draws, inputs * pairs, 1, inputs)
    tiles = math.ceil(pairs / target)
    return TilePlan(conditions, draws, math.ceil(pairs / tiles), tiles, 1)


def make_tiles(plan: TilePlan, images: NDArray[np.float32], bound: BoundProbe | None) -> Iterator[Tile]:
    """The tiles of some inputs; the key is (first input, inputs in the tile, first row, last row + 1)."""

    def tile(first: int, count: int, start: int, stop: int) -> Tile:
        def fill(buffer: NDArray[np.float32]) -> None:
            row = 0
            for image in images[first : first + count]:
                for condition, a, b in plan.segments(start, stop):
                    out = buffer[row : row + b - a]
                    if condition < 0 or bound is None:
                        out[:] = image
                    else:
                        bound.fill(image, condition, a, b, out)
                    row += b - a
            buffer[row:] = 0

        return (first, count, start, stop), fill

    for first in range(0, len(images), plan.inputs_each):
        count = min(plan.inputs_each, len(images) - first)
        for part in range(plan.tiles_each):
            start = part * plan.rows if plan.tiles_each > 1 else 0
            yield tile(first, count, start, min(plan.pairs, start + plan.rows))
