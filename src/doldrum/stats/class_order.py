"""Labels against a model's answers: whether they fit in the order in which the classes are numbered, or in another."""

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
    """How often a model gives the labels as they are, and with their classes in the order that fits best.

    Parameters
    ----------
    given : Interval
        Share of the labels that the model gives, 95% Clopper-Pearson.
    best : Interval
        The same in the best order, on images that had no part in finding it.
    order : tuple of int
        order[k] is the model's class for the label k; -1 where the images that the order was found on have no label k.
    p_value : float
        Of "the best order is right no more often than the given one" (McNemar, one-sided), on the same images as `best`.
    """

    given: Interval
    best: Interval
    order: tuple[int, ...]
    p_value: float

    @property
    def other(self) -> bool:
        """Whether another order fits better: the model gives less than half of the labels, and p is below 1%."""
        return self.given.value < _HALF and self.p_value < _ALPHA

    @property
    def wrong(self) -> bool:
        """Whether the order is wrong beyond doubt: another one fits better, and in it the model gives more than half of the labels (lower limit)."""
        return self.other and self.best.lower > _HALF


def class_order(predicted: ArrayLike, labels: ArrayLike, num_classes: int) -> ClassOrder:
    """Compare labels with a model's answers, as they are and in the best order of their classes.

    Of the images of a label every second one finds the order: the assignment of labels to the model's classes, each used once, that is right for most
    of them. The others say how good it is.

    Parameters
    ----------
    predicted : integers (N,), the model's answers; below 0 where it gave none that is valid
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
    """True for the first, third, ... image of each label."""
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
