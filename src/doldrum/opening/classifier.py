"""A Classifier whose model and engines run in a confined (sandboxed) process."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.engines.base import Engine, HasEngines, Tile
from doldrum.errors import SandboxError
from doldrum.intake import visible
from doldrum.opening.files import digest_of, readable
from doldrum.opening.settings import ModelSettings
from doldrum.sandbox import Limits, Service, memory_share

__all__ = ["ConfinedClassifier"]

_SECONDS = 600.0  # to open a model, and for one answer
_ENGINES = ("eager", "openvino", "onnxruntime", "compile")
_FEW = 1 << 22  # floats of images sent in one call


class ConfinedClassifier(Classifier, HasEngines):
    """A classifier that sends images to a confined process, and checks the scores or labels that come back.

    `facts` holds what the confined process reports about the model, after a check. If this object is sent to another
    process, or used after a fork or an interrupt, the object opens the model again. `close` ends the process, and so
    does the deletion of the object.
    """

    no_gradients = (
        "a model in another process, which gives only answers",
        "compute the gradients in the process of the model: open_suspect gives the model itself",
    )

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self._service: Service | None = None
        self._digest = "" if settings.remote else digest_of(settings.path)
        self._queries = 0
        self._pid, self._starting = 0, threading.Lock()
        facts = self._started().facts
        try:
            self.facts = _checked(facts)
        except (KeyError, TypeError, ValueError) as error:
            self.close()
            raise SandboxError(
                f"expected a description of the model from the confined process, got a description that cannot be read: {visible(str(error))}",
                reason="nonsense",
            ) from error
        known = self.facts
        super().__init__(input_shape=known["input_shape"], num_classes=known["num_classes"], outputs=known["outputs"])
        self.notes = known["model_notes"]
        self.costly = known["costly"]  # pyright: ignore[reportAttributeAccessIssue]
        self.dtype = known["precision"]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the model's file, of the settings with which it was opened (including defaults), and of its own fingerprint."""
        asked = {name: getattr(self.settings, name) for name in ("arch", "output_name")}
        opened = [self.facts[name] for name in ("preprocessing", "outputs", "num_classes", "fingerprint")]
        told = [self._digest, asked, *opened]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def queries(self) -> int | None:
        """The number of images sent to an endpoint so far; None for other models."""
        return self._queries if self.settings.remote else None

    @property
    def queries_left(self) -> int | None:
        most = self.settings.endpoint_queries
        return None if most is None else max(0, most - self._queries)

    def forward(self, images: NDArray[np.float32]) -> Any:
        step = max(1, _FEW // int(np.prod(self.input_shape)))
        parts = [self._call(images[start : start + step]) for start in range(0, len(images), step)]
        return np.concatenate(parts) if parts else self._empty()

    def _call(self, images: NDArray[np.float32]) -> NDArray[Any]:
        found: list[NDArray[Any]] = []
        self._ask(
            [({"do": "call"}, np.ascontiguousarray(images))],
            lambda _, data: found.append(self._read(data, len(images))),
        )
        if len(found) != 1:
            raise SandboxError(
                "expected one answer from the confined process, got no answer or several answers", reason="nonsense"
            )
        return found[0]

    def candidates(self) -> list[tuple[str, str]]:
        return self.facts["candidates"]

    def make_engine(self, name: str, precision: str, rows: int) -> Engine:
        self._ask([({"do": "build", "engine": name, "precision": precision, "rows": rows}, b"")], lambda _, data: None)
        return _ConfinedEngine(self, name, rows=rows, precision=precision)

    def run(
        self,
        engine: Mapping[str, Any],
        tiles: Iterator[tuple[int, NDArray[np.float32]]],
        heard: Callable[[int, NDArray[Any]], None],
    ) -> None:
        """Run tiles (batches of fixed size) on an engine in the process. `_ConfinedEngine` calls this method."""

        def requests() -> Iterator[tuple[Any, Any]]:
            yield {"do": "run", **engine}, b""
            yield from tiles

        self._ask(requests(), lambda number, data: heard(number, self._read(data, engine["rows"])))

    def close(self) -> None:
        """End the process. The process starts again when the classifier is used again."""
        if self._service is not None and self._pid == os.getpid():
            self._service.close()
        self._service = None

    def __reduce__(self) -> tuple[Any, ...]:
        self.settings.check_shared()
        return ConfinedClassifier, (self.settings,)

    def _started(self) -> Service:
        with self._starting:
            return self._service_now()

    def _service_now(self) -> Service:
        if self._service is None or self._service.ended or self._pid != os.getpid():
            settings = self.settings
            sent = settings.to_dict()
            if settings.endpoint_queries is not None and self._queries:  # the process that counted them has ended
                sent["endpoint_queries"] = max(1, settings.endpoint_queries - self._queries)
            limits = Limits(
                memory=memory_share(int(settings.memory * (1 << 30))),
                seconds=_SECONDS,
                network=settings.remote,
                read=None if settings.trust_code else readable(settings),
                environment=[] if settings.endpoint_token is None else [settings.endpoint_token],
            )
            self._service, self._pid = Service("doldrum.opening.inside:serve", sent, limits=limits), os.getpid()
            self._before = self._queries
        return self._service

    def _ask(self, requests: Iterable[tuple[Any, Any]], heard: Callable[[Any, bytes], None]) -> None:
        answer = self._started().ask(requests, heard)
        queries = answer.get("queries") if isinstance(answer, dict) else None
        if type(queries) is int and queries >= 0:
            self._queries = self._before + queries

    def _read(self, data: bytes, rows: int) -> NDArray[Any]:
        """Convert the bytes that the confined process sent to the model's output for a batch of images.

        `rows` is the number of images. `check_output` checks the values.
        """
        labels = self.outputs == "labels"
        size = rows * (8 if labels else 4 * self.num_classes)
        if len(data) != size:
            raise SandboxError(f"expected {size} bytes from the confined process, got {len(data)}", reason="nonsense")
        if labels:
            return np.frombuffer(data, np.int64)
        return np.frombuffer(data, np.float32).reshape(rows, self.num_classes)

    def _empty(self) -> NDArray[Any]:
        return np.zeros((0,), np.int64) if self.outputs == "labels" else np.zeros((0, self.num_classes), np.float32)


class _ConfinedEngine(Engine):
    """An engine in the confined process. While the engine computes, this process fills the next tiles."""

    name = "confined"

    def __init__(self, classifier: ConfinedClassifier, name: str, *, rows: int, precision: str) -> None:
        super().__init__(classifier, rows=rows, precision=precision)
        self.name = name  # pyright: ignore[reportAttributeAccessIssue]
        self.confined = classifier

    def run(self, tiles: Iterable[Tile], sink: Callable[[Any, NDArray[Any]], None]) -> None:
        keys: dict[int, Any] = {}
        buffer = np.empty((self.rows, *self.classifier.input_shape), dtype=np.float32)

        def filled() -> Iterator[tuple[int, NDArray[np.float32]]]:
            for number, (key, fill) in enumerate(tiles):
                fill(buffer)
                keys[number] = key
                yield number, buffer  # written out when the next is asked for

        def heard(number: int, output: NDArray[Any]) -> None:
            if type(number) is not int or number not in keys:
                raise SandboxError(
                    "expected an answer with the number of a batch that was sent, got an answer with an unknown number",
                    reason="nonsense",
                )
            sink(keys.pop(number), self.classifier.check_output(output, self.rows))

        self.confined.run({"engine": self.name, "precision": self.precision, "rows": self.rows}, filled(), heard)
        if keys:
            raise SandboxError(
                "expected one answer per batch of images, got fewer answers than batches", reason="nonsense"
            )


def _checked(facts: Any) -> dict[str, Any]:
    """Check the types and values of facts that may come from a hostile process.

    Raises ValueError, KeyError or TypeError if a fact is wrong.
    """
    names = facts["class_names"]
    pairs = [(str(name), str(precision)) for name, precision in facts["candidates"][:10]]
    if not pairs or not all(n in _ENGINES and p in ("fp32", "bf16", "fp16", "fp64") for n, p in pairs):
        raise ValueError("engines with unknown names")
    if facts["precision"] not in ("fp32", "bf16", "fp16", "fp64"):
        raise ValueError("an unknown precision")
    shape = tuple(facts["input_shape"])
    if len(shape) != 3 or not all(type(s) is int and 1 <= s <= 1 << 20 for s in shape):
        raise ValueError("no shape of images")
    return {
        "format": visible(str(facts["format"]), most=40),
        "preprocessing": dict(facts["preprocessing"]),
        "class_names": None if names is None else tuple(visible(str(n), most=80) for n in names[:32_767]),
        "notes": tuple(visible(str(n), most=1000) for n in facts["notes"][:50]),
        "model_notes": tuple(visible(str(n), most=1000) for n in facts["model_notes"][:50]),
        "input_shape": shape,
        "num_classes": facts["num_classes"],
        "outputs": facts["outputs"],
        "fingerprint": visible(str(facts["fingerprint"]), most=200),
        "costly": facts["costly"] is True,
        "precision": facts["precision"],
        "candidates": pairs,
    }
