"""Measure inputs until a stopping rule is satisfied.

New inputs replace finished ones, so that all tiles (batches of fixed size) stay full.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import labels_of
from doldrum.engines.base import Engine, Tile
from doldrum.measuring.until import Rule
from doldrum.pixels import to_float
from doldrum.probes.base import BoundProbe
from doldrum.responses import NOT_TAKEN, Responses

__all__ = ["LOOK", "Course", "adaptive_chunks"]

LOOK = 16
"""Number of draws of an input between two checks of the stopping rule, if a tile may hold draws of several inputs.

If every tile (batch of fixed size) holds draws of one input only, the rule is checked after every full tile.
"""

_COUNTS = 1 << 22  # label counts made at a time: K may be large

_OPEN_BLOCKS = 8  # an input that takes long holds up its block; so many later ones may be under way meanwhile


@dataclass(frozen=True, eq=False)
class Course:
    """The settings of an adaptive measurement (one that a rule stops early): the probe, the engine and the rule.

    `draws` is the maximum number of draws per input and strength.
    """

    engine: Engine
    shares_tiles: bool
    bound: BoundProbe
    strengths: tuple[float, ...]
    draws: int
    num_classes: int
    until: Rule
    batch_size: int
    info: dict[str, Any]


@dataclass(eq=False)
class _Block:
    ids: list[str]
    draws: NDArray[np.int16]
    labels: NDArray[np.int16]
    left: int


@dataclass(eq=False)
class _Case:
    """One input at one strength, whose measurement the stopping rule has not ended yet."""

    block: _Block
    row: int
    condition: int
    image: NDArray[np.float32]
    taken: int = field(default=0)


def adaptive_chunks(run: Course, blocks: Iterable[tuple[NDArray[Any], list[str]]]) -> Iterator[Responses]:
    """Yield the Responses of each block of inputs, in the order of the blocks.

    An input gets draws in the probe's order until the rule stops it. The draws that are not used are NOT_TAKEN.

    The rule is checked after fixed numbers of draws. So the number of draws depends only on the input itself, and not
    on the inputs that are measured at the same time.
    """
    conditions, most = len(run.strengths), run.draws
    source, open_blocks, cases = iter(blocks), deque[_Block](), list[_Case]()
    exhausted = False
    while True:
        while not exhausted and len(cases) < run.batch_size * conditions and len(open_blocks) < _OPEN_BLOCKS:
            found = next(source, None)
            if found is None:
                exhausted = True
                break
            images, ids = to_float(found[0]), found[1]
            draws = np.full((len(ids), conditions, most), NOT_TAKEN, dtype=np.int16)
            block = _Block(ids, draws, _base_labels(run, images), len(ids) * conditions)
            open_blocks.append(block)
            cases += [_Case(block, i, c, images[i]) for i in range(len(ids)) for c in range(conditions)]
        while open_blocks and open_blocks[0].left == 0:
            done = open_blocks.popleft()
            yield Responses(done.draws, done.labels, run.strengths, run.num_classes, done.ids, run.info)
        if not cases:
            if exhausted:
                return
            continue
        _take(run, cases)
        cases = _undecided(run, cases)


def _base_labels(run: Course, images: NDArray[np.float32]) -> NDArray[np.int16]:
    labels = np.empty(len(images), dtype=np.int16)
    each = run.engine.rows if run.shares_tiles else 1

    def tile(first: int) -> Tile:
        def fill(buffer: NDArray[np.float32]) -> None:
            block = images[first : first + each]
            buffer[: len(block)] = block
            buffer[len(block) :] = 0

        return first, fill

    def sink(first: int, output: NDArray[Any]) -> None:
        part = labels[first : first + each]
        part[:] = labels_of(output[: len(part)])

    run.engine.run((tile(first) for first in range(0, len(images), each)), sink)
    return labels


def _take(run: Course, cases: list[_Case]) -> None:
    """Measure the next draws of every case."""
    rows = run.engine.rows
    step = min(LOOK, rows) if run.shares_tiles else rows
    each = rows // step

    def tile(group: list[_Case]) -> Tile:
        def fill(buffer: NDArray[np.float32]) -> None:
            for at, case in enumerate(group):
                stop = min(case.taken + step, run.draws)
                count = stop - case.taken
                run.bound.fill(case.image, case.condition, case.taken, stop, buffer[at * step : at * step + count])
                buffer[at * step + count : (at + 1) * step] = 0
            buffer[len(group) * step :] = 0

        return group, fill

    def sink(group: list[_Case], output: NDArray[Any]) -> None:
        labels = labels_of(output)
        for at, case in enumerate(group):
            stop = min(case.taken + step, run.draws)
            got = labels[at * step : at * step + stop - case.taken]
            case.block.draws[case.row, case.condition, case.taken : stop] = got
            case.taken = stop

    run.engine.run((tile(cases[first : first + each]) for first in range(0, len(cases), each)), sink)


def _undecided(run: Course, cases: list[_Case]) -> list[_Case]:
    """Check the stopping rule for every case. Return the cases that are undecided and have not used all draws of the
    probe."""
    k = run.num_classes
    enough: list[bool] = []
    for first in range(0, len(cases), each := max(1, _COUNTS // k)):
        part = cases[first : first + each]
        draws = [case.block.draws[case.row, case.condition, : case.taken] for case in part]
        counts = np.stack([np.bincount(d[d >= 0], minlength=k) for d in draws])
        base = np.array([case.block.labels[case.row] for case in part])
        enough += run.until.enough(*run.until.limits(counts, base)).tolist()
    left: list[_Case] = []
    for case, done in zip(cases, enough, strict=True):
        if done or case.taken == run.draws:
            case.block.left -= 1
        else:
            left.append(case)
    return left
