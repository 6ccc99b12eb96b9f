"""Distribute a measurement over workers. The labels are exactly those of a single process."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from doldrum.measuring.answers import Answers
from doldrum.spread import spread

if TYPE_CHECKING:
    from doldrum.measuring.measurement import Measurement

__all__ = ["worker_chunks"]


def worker_chunks(
    run: Measurement, workers: int | None = None, start: int = 0, *, ray: str | None = None
) -> Iterator[Answers]:
    """Yield the same Answers as `run.chunks(start)`, in the same order, but compute them in several processes. Each
    process has its own engine.

    `workers` and `ray` have the same meaning as in `spread`, and the same errors are raised.
    """
    blocks = ((np.ascontiguousarray(images), ids) for images, ids in run.blocks(start))
    found = spread(partial(_answer, run), blocks, workers=workers, ray=ray)
    return (answer.noted(block[1], run.infos) for block, answer in found)


def _answer(run: Measurement, block: tuple[NDArray[Any], list[str]]) -> Answers:
    (answer,) = run.answer([block])
    return answer.noted([], {name: {} for name in answer.responses})
