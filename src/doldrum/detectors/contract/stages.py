"""A detector in stages: most inputs are judged after few draws, and only suspicious inputs get more draws. Even with
stages, the score is one fixed function of the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors.contract.evidence import Evidence
from doldrum.errors import InputError

if TYPE_CHECKING:
    from doldrum.detectors.contract.hooks import Hooks

__all__ = ["Examined", "in_stages", "new_draws"]


@dataclass(frozen=True, eq=False)
class Examined:
    """The labels, the scores and the numbers of forward passes of N inputs, as arrays (N,)."""

    labels: NDArray[np.int16]
    scores: NDArray[np.float64]
    forwards: NDArray[np.int64]

    @classmethod
    def concatenate(cls, parts: Sequence[Examined]) -> Examined:
        """Join the results of several blocks into one result, in the order of the blocks."""
        return cls(
            np.concatenate([p.labels for p in parts]),
            np.concatenate([p.scores for p in parts]),
            np.concatenate([p.forwards for p in parts]),
        )


def new_draws(stages: Sequence[Mapping[str, int]]) -> list[dict[str, range]]:
    """Return, for each stage and each probe, the draws per strength that the stage adds to the draws of earlier stages.

    >>> new_draws([{"noise": 1}, {"noise": 3, "shift": 2}])
    [{'noise': range(0, 1)}, {'noise': range(1, 3), 'shift': range(0, 2)}]
    """
    before: dict[str, int] = {}
    made: list[dict[str, range]] = []
    for upto in stages:
        made.append({name: range(before.get(name, 0), n) for name, n in upto.items() if n > before.get(name, 0)})
        before = {**before, **upto}
    return made


def in_stages(
    detector: Hooks, first: Evidence, more: Callable[[int, NDArray[np.int64]], Evidence]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return an array (N,) with the inputs' scores, and an array (N,) with the last stage that was measured for each
    input. A score is infinite if it could not be computed.

    `first` is the evidence of all inputs at stage 0. `more(stage, index)` returns the evidence of the inputs with the
    row numbers in `index`, with all draws up to `stage`. Whether an input needs the next stage depends only on its own
    score.
    """
    scores = _scores(detector, first)
    settled = np.zeros(len(first), dtype=np.int64)
    index = np.arange(len(first))
    for stage in range(1, len(detector.stages())):
        index = index[detector.goes_on(scores[index], stage - 1)]
        if not len(index):
            break
        scores[index] = _scores(detector, more(stage, index))
        settled[index] = stage
    return scores, settled


def _scores(detector: Hooks, evidence: Evidence) -> NDArray[np.float64]:
    raw = np.asarray(detector.score(evidence))
    if raw.shape != (len(evidence),) or raw.dtype.kind not in "iufb":
        raise InputError(
            f"expected the detector {detector.name} to give {len(evidence)} numbers as scores, got an array of shape {raw.shape} and type {raw.dtype}"
        )
    found = raw.astype(np.float64)
    return np.where(np.isnan(found), np.inf, found)
