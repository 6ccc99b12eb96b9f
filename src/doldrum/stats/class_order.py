"""Tests whether the classes of given labels are numbered in the same order as a model's classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.stats.paired import mcnemar
from doldrum.stats.proportions import Interval, proportion

__all__ = ["ClassOrder", "class_order"]

_HALF = 0.5
_ALPHA = 0.01


@dataclass(frozen=True)
class ClassOrder:
    """How often a model predicts the given labels: in the given order of classes, and in the order that fits best.

    Parameters
    ----------
    given : Interval
        Share of images whose given label the model predicts, with 95% Clopper-Pearson limits.
    best : Interval
        Share of images whose label the model predicts if the classes are in the best order, with 95% limits. These
        images were not used to find the best order.
    order : tuple of int
        order[k] is the model's class for the label k, or -1 if the images used to find the order do not include the
        label k.
    p_value : float
        One-sided McNemar test of "the best order is right no more often than the given one", on the same images as
        `best`.
    """

    given: Interval
    best: Interval
    order: tuple[int, ...]
    p_value: float

    @property
    def other(self) -> bool:
        """Whether the best order fits better: the model predicts fewer than half of the labels, and `p_value` < 1%."""
        return self.given.value < _HALF and self.p_value < _ALPHA

    @property
    def wrong(self) -> bool:
        """Whether the given order is certainly wrong.

        True if the best order fits better than the given order, and the lower limit of `best` is above one half.
        """
        return self.other and self.best.lower > _HALF


def class_order(predicted: ArrayLike, labels: ArrayLike, num_classes: int) -> ClassOrder:
    """Compare labels with a model's predictions, with the classes in the given order and in the order that fits best.

    Every second image of each label is used to find the best order. The best order is the one-to-one assignment of
    labels to the model's classes that is right for most of these images. The best order is then tested on the remaining
    images.

    Parameters
    ----------
    predicted : integers (N,), the model's predictions; below 0 if the model gave no valid prediction
    labels : integers (N,) in [0, num_classes); N is at least 1
    num_classes : int

    >>> labels = np.arange(60) % 3
    >>> found = class_order((labels + 1) % 3, labels, 3)
    >>> found.given.value, found.best.value, found.order, found.wrong
    (0.0, 1.0, (1, 2, 0), True)
    >>> class_order(labels, labels, 3).other
    False
    """
    answers, truth = np.asarray(predicted, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    right = answers == truth
    first = _every_second(truth)
    order = _best(answers[first], truth[first], num_classes)
    a, b = order[truth[~first]] == answers[~first], right[~first]
    found = np.where(np.bincount(truth[first], minlength=num_classes) > 0, order, -1)
    return ClassOrder(
        given=proportion(int(right.sum()), len(right)),
        best=proportion(int(a.sum()), len(a)),
        order=tuple(int(k) for k in found),
        p_value=mcnemar(a, b) if len(a) else 1.0,
    )


def _every_second(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """A boolean per image: True for the first, third, fifth, ... image of each label."""
    chosen = np.zeros(len(labels), dtype=bool)
    for k in np.unique(labels):
        chosen[np.flatnonzero(labels == k)[::2]] = True
    return chosen


def _best(answers: NDArray[np.int64], labels: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    # Takes a moment to import, and is seldom needed.
    from scipy.optimize import linear_sum_assignment  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    counts = np.zeros((num_classes, num_classes), dtype=np.int64)
    valid = (answers >= 0) & (answers < num_classes)
    np.add.at(counts, (labels[valid], answers[valid]), 1)
    _, chosen = linear_sum_assignment(counts, maximize=True)  # pyright: ignore[reportUnknownVariableType]
    return np.asarray(chosen, dtype=np.int64)
