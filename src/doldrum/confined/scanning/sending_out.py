"""In the confined process: send blocks of images to other confined processes, which measure them with the same model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors.contract.measuring import Block
from doldrum.errors import InputError
from doldrum.measuring import Answers, Measurement
from doldrum.pixels import to_float
from doldrum.probes import OverlayProbe
from doldrum.responses import Responses
from doldrum.sandbox import Request

__all__ = ["Ask", "packed", "sent_out", "unpacked"]

Ask = Callable[[Iterable[Request]], Iterator[Request]]
"""A function that takes requests for workers, and yields the answers in the order of the requests."""


def sent_out(ask: Ask) -> Callable[[Any, Iterable[Block]], Iterator[Any]]:
    """A function for `Detector.each` that lets other processes measure the batches. The other processes return only
    labels, and this process computes the scores."""

    def each(work: Any, blocks: Iterable[Block]) -> Iterator[Any]:
        run: Measurement = work.parts[0]
        head, bank = _settings(run)
        out: deque[Block] = deque()

        def requests() -> Iterator[Request]:
            for block in blocks:
                out.append(block)
                images = np.ascontiguousarray(block[0])
                yield head | {"shape": list(images.shape), "dtype": images.dtype.name}, bank + images.tobytes()

        for _, data in ask(requests()):
            block = out.popleft()
            yield work.of(block, unpacked(run, block[1], data))

    return each


def _settings(run: Measurement) -> tuple[dict[str, Any], bytes]:
    """The settings with which another process makes the same measurements: the probes, the chosen engine and the
    overlays. Overlays whose pixels were bytes are sent as bytes."""
    if run.readouts or run.scores:
        raise InputError("expected a detector that needs only labels, got one that needs scores; leave out workers=")
    overlaid = [p for p in run.battery.probes.values() if isinstance(p, OverlayProbe)]
    banks = {p.overlays_hash: _small(p.overlays) for p in overlaid}  # several probes may have the same overlays
    head = {
        "probes": {name: probe.to_dict() for name, probe in run.battery.probes.items()},
        "overlays": {key: [list(bank.shape), bank.dtype.name] for key, bank in banks.items()},
        "checked": run.checked.to_dict(),
    }
    return head, b"".join(np.ascontiguousarray(bank).tobytes() for bank in banks.values())


def _small(bank: NDArray[np.float32]) -> NDArray[Any]:
    pixels = np.rint(bank * 255).astype(np.uint8)
    return pixels if np.array_equal(to_float(pixels), bank) else bank


def packed(answers: Answers) -> bytes:
    """Pack labels as bytes of int16 numbers: first the labels of the unperturbed images, then the labels of each
    probe's draws."""
    draws = [found.draws for found in answers.responses.values()]
    return b"".join(np.ascontiguousarray(a, np.int16).tobytes() for a in (answers.labels, *draws))


def unpacked(run: Measurement, ids: list[str], data: bytes) -> Answers:
    """Read the answers for the images `ids` from bytes that `packed` made. Raises ValueError for a wrong number of
    bytes, and InputError for impossible labels."""
    values, n, at = np.frombuffer(data, np.int16), len(ids), 0

    def taken(*shape: int) -> NDArray[np.int16]:
        nonlocal at
        at += int(np.prod(shape))
        return values[at - int(np.prod(shape)) : at].reshape(shape)

    labels, classes = taken(n), run.classifier.num_classes
    found = {
        name: Responses(taken(n, len(p.strengths), p.draws), labels, p.strengths, classes, ids, run.infos[name])
        for name, p in run.battery.probes.items()
    }
    if at != len(values):
        raise ValueError(f"expected {at} labels, got {len(values)}")
    return Answers(labels, found)
