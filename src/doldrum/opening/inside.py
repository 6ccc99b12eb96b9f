"""Code that runs in the confined process: open a model, and run it on the images that are sent to the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from doldrum.engines.base import Engine, Tile
from doldrum.engines.choose import build_engine, candidates
from doldrum.engines.direct import own_precision
from doldrum.errors import InputError
from doldrum.opening.endpoint import endpoint_of, is_address
from doldrum.opening.settings import notes_in_flags
from doldrum.suspects import Preprocessing, Suspect, open_model

__all__ = ["facts_of", "open_suspect", "serve"]


def open_suspect(settings: dict[str, Any]) -> Suspect:
    """Open the model that the settings describe. `settings` is the output of `ModelSettings.to_dict()`.

    Preprocessing and class names in the settings replace the model's own.
    """
    told: dict[str, Any] = {
        name: settings[name] for name in ("arch", "trust_code", "trust_pickle", "outputs", "num_classes")
    }
    if settings["output_name"] is not None:
        told["output"] = settings["output_name"]
    model = endpoint_of(settings) if is_address(settings["model"]) else settings["model"]
    known = {k: _tupled(settings[k]) for k in ("size", "mean", "std", "channels", "scale") if settings[k] is not None}
    if known and "size" not in known:  # the file may know it
        found = open_model(model, **told)
        known = {"size": found.preprocessing.size, "channels": found.preprocessing.channels, **known}
        del found  # before the second is opened: one model is in memory at a time
    suspect = open_model(model, preprocessing=Preprocessing(**known) if known else None, **told)
    names = _class_names(settings["labels"], suspect.classifier.num_classes) or suspect.class_names
    return replace(suspect, class_names=names)


def facts_of(suspect: Suspect, class_names: Sequence[str] | None = None) -> dict[str, Any]:
    """The facts about an opened model that are saved in records, as JSON-able values.

    If `class_names` is given, it replaces the class names that the model's file contains.
    """
    names = class_names or suspect.class_names
    return {
        "format": suspect.format,
        "input_shape": list(suspect.classifier.input_shape),
        "num_classes": suspect.classifier.num_classes,
        "class_names": names and list(names),
        "preprocessing": asdict(suspect.preprocessing),
        "notes": notes_in_flags(suspect.notes),
    }


def serve(settings: dict[str, Any], tell: Callable[[Any], None]) -> tuple[dict[str, Any], Any]:
    """Open a model.

    Returns facts about the model, and a function that handles three kinds of requests. The request "call" runs the
    model on images, "build" builds an engine, and "run" runs tiles (batches) on an engine.
    """
    suspect = open_suspect(settings)
    classifier = suspect.classifier
    facts = {
        "format": suspect.format,
        "preprocessing": asdict(suspect.preprocessing),
        "class_names": suspect.class_names and list(suspect.class_names),
        "notes": list(suspect.notes),
        "input_shape": list(classifier.input_shape),
        "num_classes": classifier.num_classes,
        "outputs": classifier.outputs,
        "fingerprint": classifier.fingerprint,
        "model_notes": list(classifier.notes),
        "costly": classifier.costly,
        "precision": own_precision(classifier),
        "candidates": [list(one) for one in candidates(classifier)],
    }

    def handle(request: Any, read: Callable[[], Any], block: Callable[[Any, Any], None]) -> dict[str, Any]:
        asked, data = request
        if asked["do"] == "call":
            images = np.frombuffer(data, np.float32).reshape(-1, *classifier.input_shape)
            block(0, _plain(classifier(images)))
        else:
            engine = build_engine(classifier, asked["engine"], asked["precision"], asked["rows"])
            if asked["do"] == "run":
                _run(engine, read, block)
        return {"queries": getattr(classifier, "queries", None)}

    return facts, handle


def _run(engine: Engine, read: Callable[[], Any], block: Callable[[Any, Any], None]) -> None:
    """Run tiles (batches) on an engine as soon as they arrive, and send each output as soon as it is ready.

    Outputs may be sent in another order than the tiles.
    """
    shape, turn = (engine.rows, *engine.classifier.input_shape), threading.Lock()

    def tiles() -> Iterator[Tile]:
        while (request := read()) is not None:
            number, data = request
            images = np.frombuffer(data, np.float32).reshape(shape)
            yield number, lambda buffer, images=images: np.copyto(buffer, images)

    def sink(number: Any, output: Any) -> None:
        made = _plain(output)
        with turn:
            block(number, made)

    engine.run(tiles(), sink)


def _plain(output: Any) -> Any:
    """The output as a contiguous array: scores as float32, labels as int64."""
    array = np.asarray(output)
    return np.ascontiguousarray(array, np.int64 if array.ndim == 1 else np.float32)


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _class_names(path: str | None, num_classes: int) -> tuple[str, ...] | None:
    """Read the class names from a text file with one line per class."""
    if path is None:
        return None
    with open(path, "rb") as file:
        data = file.read((1 << 22) + 1)
    try:
        names = [line.strip() for line in data.decode("utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(f"expected labels= as UTF-8 text, got {error}; one class's name per line") from error
    while names and not names[-1]:
        names.pop()
    if len(names) != num_classes or len(data) > 1 << 22:
        raise InputError(
            f"expected {num_classes} class names in the file labels=, one per line, got {len(names)} names; check the file"
        )
    return tuple(names)
