"""How a detector's probes are measured, a batch of inputs at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet, to_float
from doldrum.detectors.contract.evidence import Evidence, base_outputs
from doldrum.engines import ENGINES
from doldrum.errors import EngineError, MissingExtraError
from doldrum.measuring import Measurement
from doldrum.probes import Probe
from doldrum.responses import Responses

__all__ = ["engine_of", "evidence_of", "joined", "prepared"]


def prepared(
    classifier: Classifier, images: ImageSet, probe: Probe, *, readouts: tuple[str, ...], batch_size: int, engine: str
) -> Measurement:
    """A measurement whose engine is checked on some of the images; `engine` is the one that the detector was fitted on, or "auto"."""
    try:
        return Measurement(classifier, images, probe, batch_size=batch_size, engine=engine, readouts=readouts)
    except (MissingExtraError, EngineError) as error:
        if engine == "auto":
            raise
        raise type(error)(
            f"expected the engine {engine!r}, on which the detector was fitted, got: {error}. Or calibrate again "
            "on what this machine has: detector.engine = 'auto', then detector.calibrate(clean)"
        ) from error


def engine_of(run: Measurement) -> str:
    """The name by which the measurement's engine is asked for again."""
    chosen = run.info["engine"]
    both = f"{chosen['engine']}-{chosen['precision']}"
    return both if both in ENGINES else chosen["engine"]


def evidence_of(
    images: ImageSet,
    runs: Mapping[str, Measurement],
    classifier: Classifier,
    *,
    batch_size: int,
    scores: bool,
    on_batch: Callable[[int], None] | None,
) -> Iterator[Evidence]:
    """Evidence of the inputs, `batch_size` at a time; with `scores`, also the probabilities of the unperturbed ones."""
    chunks = [run.answer(_blocks(images, batch_size)) for run in runs.values()]
    for start in range(0, len(images), batch_size):
        block = to_float(images.images[start : start + batch_size])
        responses: dict[str, Responses] = {key: next(c) for key, c in zip(runs, chunks, strict=True)}
        first = next(iter(responses.values()), None)
        labels, found = None if first is None else first.labels, None
        if scores or labels is None:
            plain_labels, found = base_outputs(classifier, block)
            labels = plain_labels if labels is None else labels
        if on_batch is not None:
            on_batch(len(block))
        yield Evidence(block, labels, classifier.num_classes, responses, found)


def joined(batches: Iterator[Evidence], images: ImageSet) -> Evidence:
    """The evidence of all inputs, from that of its batches; the images are there once."""
    parts = [replace(batch, images=batch.images[:0]) for batch in batches]
    first = parts[0]
    return Evidence(
        to_float(images.images),
        np.concatenate([p.labels for p in parts]),
        first.num_classes,
        {key: Responses.concatenate([p.responses[key] for p in parts]) for key in first.responses},
        None if first.scores is None else np.concatenate([p.scores for p in parts if p.scores is not None]),
    )


def _blocks(images: ImageSet, size: int) -> Iterator[tuple[NDArray[Any], list[str]]]:
    """Images and their ids, `size` at a time."""
    for start in range(0, len(images), size):
        yield images.images[start : start + size], list(images.ids[start : start + size])
