"""Engine: runs a classifier on tiles (batches with a fixed number of rows), as fast as this machine can."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.provenance import cores

__all__ = ["DeviceFill", "Engine", "HasEngines", "Tile", "default_rows", "threads"]

Tile = tuple[Any, Callable[[NDArray[np.float32]], None]]
"""A tile is a key, and a function that writes the tile's rows into a buffer (rows, C, H, W). If the function is a
`DeviceFill`, the function can also write the rows on a GPU."""

_TILE_FLOATS = 1 << 20  # 4 MiB of input a tile at most: bounds memory for large images


def default_rows(input_shape: tuple[int, int, int]) -> int:
    """The default number of rows per tile. This number depends only on the input shape, so that labels can't depend on
    anything else.

    >>> default_rows((1, 28, 28)), default_rows((3, 224, 224))
    (64, 6)
    """
    return int(max(1, min(64, _TILE_FLOATS // int(np.prod(input_shape)))))


def threads() -> int:
    """The number of threads that an engine may use: $DOLDRUM_THREADS, by default the number of cores of this process.
    The number of threads changes no label."""
    given = os.environ.get("DOLDRUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) else cores()


class DeviceFill(ABC):
    """The function of a tile that can also write the tile's rows on the model's device. So only the original images are
    copied to the device."""

    @abstractmethod
    def __call__(self, buffer: NDArray[np.float32]) -> None:
        """Write the tile's rows into a buffer (rows, C, H, W)."""

    @abstractmethod
    def on(self, buffer: Any) -> None:
        """Write the tile's rows into a float32 tensor (rows, C, H, W) on the tensor's device. The values are bit for
        bit those that `__call__` writes."""


class Engine(ABC):
    """A classifier compiled for one tile shape. `run` classifies many tiles, and may return the answers in any order.

    Several inputs may share a tile only if sharing does not change the labels of these inputs. `engines/choose.py`
    tests whether labels change, and stores the result as `mixes_inputs`; the value False is always safe.
    """

    name: ClassVar[str]

    def __init__(self, classifier: Classifier, *, rows: int, precision: str) -> None:
        self.classifier = classifier
        self.rows = rows
        self.precision = precision

    @abstractmethod
    def run(self, tiles: Iterable[Tile], sink: Callable[[Any, NDArray[Any]], None]) -> None:
        """Fill each tile, classify it, and pass `(key, output)` to `sink`. The output is scores (rows, K) or labels
        (rows,).

        `sink` may be called from other threads, one call at a time for each key.
        """

    def __call__(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """Compute the outputs of any number of images, tile by tile, with zero padding in the last tile."""
        starts = range(0, len(images), self.rows)
        parts: dict[int, NDArray[Any]] = {}

        def tile(start: int) -> Tile:
            def fill(buffer: NDArray[np.float32]) -> None:
                block = images[start : start + self.rows]
                buffer[: len(block)] = block
                buffer[len(block) :] = 0

            return start, fill

        self.run((tile(s) for s in starts), lambda key, out: parts.__setitem__(key, out.copy()))
        return np.concatenate([parts[s] for s in starts])[: len(images)]


class HasEngines(ABC):
    """A classifier whose model is in another process, together with the engines that can run it."""

    @abstractmethod
    def candidates(self) -> list[tuple[str, str]]:
        """The pairs (engine, precision) that "auto" compares: the best guess first, the classifier itself last."""

    @abstractmethod
    def make_engine(self, name: str, precision: str, rows: int) -> Engine:
        """Build the engine, ready to run. Raises EngineError if the engine cannot be built."""
