"""How a detector's battery of probes is measured, a batch of inputs at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
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

__all__ = ["evidence_of", "examined_in_turn", "joined", "prepared"]


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
    images: ImageSet, parts: Sequence[Measurement], *, batch_size: int, on_batch: Callable[[int], None] | None
) -> Iterator[Evidence]:
    """Evidence of the inputs under the draws of all parts of a run, `batch_size` at a time."""
    for block, ids in _blocks(images, batch_size):
        found = _first(parts[0], block, ids)
        for part in parts[1:]:
            found = found.and_draws(_answers(part, block, ids).responses)
        if on_batch is not None:
            on_batch(len(found))
        yield found


def examined_in_turn(
    detector: Hooks,
    images: ImageSet,
    parts: Sequence[Measurement],
    *,
    batch_size: int,
    on_batch: Callable[[int], None] | None,
) -> Iterator[Examined]:
    """Labels, scores and forwards of the inputs, `batch_size` at a time: each stage is measured only for the inputs that reach it."""
    for block, ids in _blocks(images, batch_size):
        found = _examined(detector, parts, block, ids)
        if on_batch is not None:
            on_batch(len(block))
        yield found


def _examined(detector: Hooks, parts: Sequence[Measurement], block: NDArray[Any], ids: list[str]) -> Examined:
    first = held = _first(parts[0], block, ids)
    at = np.arange(len(first))

    def more(stage: int, index: NDArray[np.int64]) -> Evidence:
        nonlocal held, at
        found = _answers(parts[stage], block[index], [ids[i] for i in index])
        held, at = held.take(np.searchsorted(at, index)).and_draws(found.responses), index
        return held

    scores, settled = in_stages(detector, first, more)
    return Examined(first.labels, scores, np.cumsum([part.battery.rows for part in parts])[settled])


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


def _first(part: Measurement, block: NDArray[Any], ids: list[str]) -> Evidence:
    found = _answers(part, block, ids)
    return Evidence(to_float(block), found.labels, part.classifier.num_classes, found.responses, found.scores)


def _answers(part: Measurement, block: NDArray[Any], ids: list[str]) -> Answers:
    (found,) = part.answer([(block, ids)])
    return found


def _blocks(images: ImageSet, size: int) -> Iterator[tuple[NDArray[Any], list[str]]]:
    """Images and their ids, `size` at a time."""
    for start in range(0, len(images), size):
        yield images.images[start : start + size], list(images.ids[start : start + size])
