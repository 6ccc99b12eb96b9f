"""Readouts: values that are computed from the scores of every draw, in addition to the draw's label."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from doldrum.checks import is_kind
from doldrum.classifiers.base import Classifier, Outputs, labels_of
from doldrum.errors import ClassifierError, InputError

__all__ = ["READOUTS", "Readings", "check_readouts", "probabilities"]

READOUTS = ("entropy", "confidence", "change")
"""Entropy is the entropy of the draw's probabilities, in nats, from 0 to log K.

Confidence is the draw's probability of the base label (the unperturbed input's label). Change is the L1 distance
between the probabilities of the draw and of the unperturbed input, from 0 to 2."""


def check_readouts(classifier: Classifier, readouts: Sequence[str], *, scores: bool = False) -> tuple[str, ...]:
    """Raise InputError for an unknown readout, and ClassifierError if the classifier gives only labels."""
    if not is_kind(readouts, str, list, tuple, set, frozenset):
        raise InputError(
            f"expected names of readouts ({', '.join(READOUTS)}), got {readouts!r}; e.g. readouts=({READOUTS[0]!r},)"
        )
    names = (readouts,) if isinstance(readouts, str) else tuple(dict.fromkeys(readouts))
    unknown = [name for name in names if name not in READOUTS]
    if unknown:
        raise InputError(
            f"expected names of readouts ({', '.join(READOUTS)}), got {unknown[0]!r}; pick some of these names"
        )
    if (names or scores) and classifier.outputs == "labels":
        what = ", ".join(names) or "probabilities"
        raise ClassifierError(f"expected a classifier that gives scores for {what}, got labels only; use readouts=()")
    return names


def probabilities(output: NDArray[Any], outputs: Outputs) -> NDArray[np.float64]:
    """Return probabilities (B, K) in float64: the softmax of `output` if it has logits, and otherwise `output`
    unchanged.

    A row with a value that is not finite becomes NaN.

    >>> probabilities(np.array([[0.0, 0.0], [np.inf, 0.0]]), "logits").tolist()
    [[0.5, 0.5], [nan, nan]]
    """
    scores = output.astype(np.float64)
    scores[~np.isfinite(scores).all(axis=1)] = np.nan
    if outputs == "probabilities":
        return scores
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    return scores / scores.sum(axis=1, keepdims=True)


class Readings:
    """Labels and readouts of a block of inputs, which the outputs of the tiles fill in any order.

    With readouts or `scores`, the scores of the unperturbed inputs are collected too. Row 0 of each input is the
    unperturbed image. The readouts of all rows need the scores of this image. If scores of other rows arrive before row
    0, their readouts are computed when row 0 arrives. Few rows arrive before row 0, since engines start tiles in order.
    """

    def __init__(
        self, classifier: Classifier, inputs: int, rows: int, readouts: Sequence[str], *, scores: bool = False
    ) -> None:
        self.classifier = classifier
        self.labels = np.empty((inputs, rows), dtype=np.int16)
        self.scores = np.full((inputs, classifier.num_classes), np.nan) if scores or readouts else None
        self.readouts = {name: np.full((inputs, rows), np.nan, dtype=np.float32) for name in readouts}
        self._known = np.zeros(inputs, dtype=bool)
        self._early: dict[int, list[tuple[int, NDArray[np.float64]]]] = {}
        self._lock = threading.Lock()

    def put(self, key: tuple[int, int, int, int], output: NDArray[Any]) -> None:
        """Store one tile's output.

        `key` is the tile's key from `make_tiles`: (first input, number of inputs, first row, last row + 1).
        """
        first, count, start, stop = key
        output = output[: count * (stop - start)]
        self.labels[first : first + count, start:stop] = labels_of(output).reshape(count, stop - start)
        if self.scores is None or (start > 0 and not self.readouts):
            return
        p = probabilities(output, self.classifier.outputs).reshape(count, stop - start, -1)
        with self._lock:
            for i in range(count):
                self._read(first + i, start, p[i])

    def _read(self, i: int, start: int, p: NDArray[np.float64]) -> None:
        assert self.scores is not None
        if start == 0:
            self.scores[i], self._known[i] = p[0], True
        if not self._known[i]:
            self._early.setdefault(i, []).append((start, p))
            return
        for at, rows in [(start, p), *self._early.pop(i, [])]:
            for name, values in self.readouts.items():
                values[i, at : at + len(rows)] = self._value(name, i, rows)

    def _value(self, name: str, i: int, p: NDArray[np.float64]) -> NDArray[np.float64]:
        assert self.scores is not None
        if name == "entropy":
            return -xlogy(np.maximum(p, 0), np.maximum(p, 0)).sum(axis=1)
        if name == "confidence":
            base = self.labels[i, 0]
            return p[:, base] if base >= 0 else np.full(len(p), np.nan)
        return np.abs(p - self.scores[i]).sum(axis=1)
