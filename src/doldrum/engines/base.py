"""Engine: runs a classifier on tiles of a fixed number of rows, as fast as this machine can."""

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
"""A key, and a function that writes the tile's rows into a buffer (rows, C, H, W); a `DeviceFill` can write them elsewhere, too."""

_TILE_FLOATS = 1 << 20  # 4 MiB of input a tile at most: bounds memory for large images


def default_rows(input_shape: tuple[int, int, int]) -> int:
    """The number of rows that a tile aims at: a function of the input shape only, so that labels can't depend on anything else.

    >>> default_rows((1, 28, 28)), default_rows((3, 224, 224))
    (64, 6)
    """
    return int(max(1, min(64, _TILE_FLOATS // int(np.prod(input_shape)))))


def threads() -> int:
    """Threads an engine may use: $DOLDRUM_THREADS, by default the cores of this process. Changes no label."""
    given = os.environ.get("DOLDRUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) else cores()


class DeviceFill(ABC):
    """The function of a tile that can also write its rows where the model is, so that only the images go there."""

    @abstractmethod
    def __call__(self, buffer: NDArray[np.float32]) -> None:
        """Write the tile's rows into a buffer (rows, C, H, W)."""

    @abstractmethod
    def on(self, buffer: Any) -> None:
        """Write the same bits into a float32 tensor (rows, C, H, W), on its device."""


class Engine(ABC):
    """A classifier compiled for one tile shape. `run` keeps it busy; the order of the answers is free.

    `mixes_inputs` says whether several inputs may share a tile without changing each other's labels; it is found out by
    trying (see `engines.choose`), and False is always safe.
    """

    name: ClassVar[str]

    def __init__(self, classifier: Classifier, *, rows: int, precision: str) -> None:
        self.classifier = classifier
        self.rows = rows
        self.precision = precision

    @abstractmethod
    def run(self, tiles: Iterable[Tile], sink: Callable[[Any, NDArray[Any]], None]) -> None:
        """Fill each tile, classify it, hand `(key, output)` to `sink`: scores (rows, K) or labels (rows,).

        `sink` may be called from other threads, one call at a time for each key.
        """

    def __call__(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """Outputs of any number of images, run tile by tile with zero padding."""
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
    """A classifier whose model is elsewhere, and so are the engines that can run it."""

    @abstractmethod
    def candidates(self) -> list[tuple[str, str]]:
        """(engine, precision) that "auto" looks at, best guess first, the classifier itself last."""

    @abstractmethod
    def make_engine(self, name: str, precision: str, rows: int) -> Engine:
        """That engine, ready to run; EngineError if it can't be."""
