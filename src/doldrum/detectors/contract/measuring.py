"""How a detector's battery of probes is measured, a batch of inputs at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet, to_float
from doldrum.detectors.contract.evidence import Evidence
from doldrum.errors import EngineError, MissingExtraError
from doldrum.measuring import Checked, Measurement
from doldrum.probes import Probe
from doldrum.responses import Responses

__all__ = ["evidence_of", "joined", "prepared"]


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
    """One measurement of all probes. `engine` is the one that the detector was fitted on, or "auto"; where `checked` doesn't hold
    here it is checked on some of the images."""
    options: dict[str, Any] = {"readouts": readouts, "scores": scores, "batch_size": batch_size}
    try:
        return Measurement(classifier, images, probes, engine=engine, checked=checked, **options)
    except (MissingExtraError, EngineError) as error:
        if engine == "auto":
            raise
        raise type(error)(
            f"expected the engine {engine!r}, on which the detector was fitted, got: {error}. Or calibrate again "
            "on what this machine has: detector.engine = 'auto', then detector.calibrate(clean)"
        ) from error


def evidence_of(
    images: ImageSet, run: Measurement, *, batch_size: int, on_batch: Callable[[int], None] | None
) -> Iterator[Evidence]:
    """Evidence of the inputs, `batch_size` at a time."""
    starts = range(0, len(images), batch_size)
    for start, found in zip(starts, run.answer(_blocks(images, batch_size)), strict=True):
        if on_batch is not None:
            on_batch(len(found))
        block = to_float(images.images[start : start + batch_size])
        yield Evidence(block, found.labels, run.classifier.num_classes, found.responses, found.scores)


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
