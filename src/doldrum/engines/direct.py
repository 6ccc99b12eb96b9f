"""The engine that calls the classifier itself, tile by tile: eager torch, ONNX Runtime or a plain function, in its own
precision."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.engines.base import Engine, Tile

__all__ = ["DirectEngine", "own_precision"]

_NAMES = {"float16": "fp16", "bfloat16": "bf16", "float64": "fp64"}


def own_precision(classifier: Classifier) -> str:
    """The precision in which a classifier computes, from the type of its parameters. The result is "fp32" if the
    parameters' type is not known."""
    return _NAMES.get(str(getattr(classifier, "dtype", "")).removeprefix("torch."), "fp32")


class DirectEngine(Engine):
    """Calls the classifier itself. This engine is always available, and other engines are checked against it."""

    name = "eager"

    def __init__(self, classifier: Classifier, *, rows: int) -> None:
        super().__init__(classifier, rows=rows, precision=own_precision(classifier))

    def run(self, tiles: Iterable[Tile], sink: Callable[[Any, NDArray[Any]], None]) -> None:
        buffer = np.empty((self.rows, *self.classifier.input_shape), dtype=np.float32)
        for key, fill in tiles:
            fill(buffer)
            sink(key, self.classifier(buffer))
