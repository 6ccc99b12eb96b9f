"""Measure all probes of a detector, one batch of inputs at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet, to_float
from doldrum.detectors.contract.evidence import Evidence
from doldrum.detectors.contract.hooks import Hooks
from doldrum.detectors.contract.stages import Examined, in_stages
from doldrum.errors import EngineError, MissingExtraError
from doldrum.measuring import Answers, Checked, Measurement
from doldrum.probes import Probe
from doldrum.responses import Responses
from doldrum.spread import check_workers, results

__all__ = ["Block", "Each", "Examining", "Measured", "blocks_of", "each_by", "joined", "prepared"]

Block = tuple[NDArray[Any], list[str]]
"""Images and their ids."""
Each = Callable[[Any, Iterable[Block]], Iterator[Any]]
"""The type of a function that calls a `Measured` or an `Examining` on every block of images, and gives the results in
the order of the blocks. For example, the function `map` does all work in the same process."""


def prepared(
    classifier: Classifier,
    images: ImageSet,
    probes: Mapping[str, Probe],
    *,
    readouts: tuple[str, ...],
    scores: bool,
    batch_size: int,
    engine: str,
    checked: Checked | None,
) -> Measurement:
    """Prepare a measurement of all probes of a detector. `engine` is the engine that the detector was fitted on, or
    "auto". If the earlier check (`checked`) does not apply here, the engine is checked again on some of the images."""
    options: dict[str, Any] = {"readouts": readouts, "scores": scores, "batch_size": batch_size}
    try:
        return Measurement(classifier, images, probes, engine=engine, checked=checked, **options)
    except (MissingExtraError, EngineError) as error:
        if engine == "auto":
            raise
        raise type(error)(
            f"expected the engine {engine!r}, because the detector was fitted on it, but it cannot be used here: {error}. Or calibrate the detector again with an engine that this machine has: set detector.engine = 'auto', then call detector.calibrate(clean)"
        ) from error


@dataclass(frozen=True, eq=False)
class Measured:
    """Runs the probes on a block of images, with all draws of all stages, and returns the evidence. The evidence does
    not contain the images, since the caller has the images. A `Measured` can be sent to worker processes."""

    parts: Sequence[Measurement]

    def __call__(self, block: Block) -> Evidence:
        return self.of(block, _answers(self.parts[0], *block))

    def of(self, block: Block, answers: Answers) -> Evidence:
        """Return the evidence of a block of images. `answers` holds the model's answers at the first stage, which are
        already known."""
        images, ids = block
        found = _evidence(self.parts[0], np.empty((0, *images.shape[1:]), np.float32), answers)
        for part in self.parts[1:]:
            found = found.and_draws(_answers(part, images, ids).responses)
        return found


@dataclass(frozen=True, eq=False)
class Examining:
    """Computes the label, the score and the number of forward passes of each image in a block. A stage is measured only
    for the inputs that need this stage. An `Examining` can be sent to worker processes."""

    detector: Hooks
    parts: Sequence[Measurement]

    def __call__(self, block: Block) -> Examined:
        return self.of(block, _answers(self.parts[0], *block))

    def of(self, block: Block, answers: Answers) -> Examined:
        """Compute the label, the score and the number of forward passes of each image in a block. `answers` holds the
        model's answers at the first stage, which are already known."""
        images, ids = block
        first = held = _evidence(self.parts[0], to_float(images), answers)
        at = np.arange(len(first))

        def more(stage: int, index: NDArray[np.int64]) -> Evidence:
            nonlocal held, at
            found = _answers(self.parts[stage], images[index], [ids[i] for i in index])
            held, at = held.take(np.searchsorted(at, index)).and_draws(found.responses), index
            return held

        scores, settled = in_stages(self.detector, first, more)
        return Examined(first.labels, scores, np.cumsum([part.battery.rows for part in self.parts])[settled])


def each_by(workers: int | None, ray: str | None) -> Each:
    """Return a function that processes blocks of images with workers. The arguments and the errors are the same as for
    `doldrum.spread.results`."""
    check_workers(workers, ray=ray)
    return lambda work, blocks: results(work, blocks, workers=workers, ray=ray)


def blocks_of(images: ImageSet, size: int) -> Iterator[Block]:
    """Divide images and their ids into blocks of `size` images. The blocks are the same for every number of workers."""
    for start in range(0, len(images), size):
        yield images.images[start : start + size], list(images.ids[start : start + size])


def joined(batches: Iterator[Evidence], images: ImageSet) -> Evidence:
    """Join the evidence of all batches into the evidence of all inputs. The result holds only one copy of the
    images."""
    parts = [replace(batch, images=batch.images[:0]) for batch in batches]
    first = parts[0]
    return Evidence(
        to_float(images.images),
        np.concatenate([p.labels for p in parts]),
        first.num_classes,
        {key: Responses.concatenate([p.responses[key] for p in parts]) for key in first.responses},
        None if first.scores is None else np.concatenate([p.scores for p in parts if p.scores is not None]),
    )


def _evidence(part: Measurement, images: NDArray[np.float32], found: Answers) -> Evidence:
    return Evidence(images, found.labels, part.classifier.num_classes, found.responses, found.scores)


def _answers(part: Measurement, block: NDArray[Any], ids: list[str]) -> Answers:
    (found,) = part.answer([(block, ids)])
    return found
