"""Refuse labels whose classes are in another order than the model's, before any work. The error message names the order
of the classes that was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.intake import visible
from doldrum.stats.class_order import ClassOrder, class_order

__all__ = ["check_class_order", "other_order"]

_FEWEST = 20  # labelled images; of fewer nothing is said
_HALF = 0.5
_ALL, _SOME = 20, 3  # classes of which the whole order is told, and examples of more


def check_class_order(
    predicted: NDArray[Any],
    labels: NDArray[np.int64] | None,
    num_classes: int,
    *,
    how: str = "",
    names: Sequence[str | None] | None = None,
) -> ClassOrder | None:
    """Raise InputError if the classes of the labels are in another order than the classes of the model.

    InputError is raised if two things are true: the model predicts less than half of the labels, and with its classes
    in another order it would predict significantly more than half (:func:`doldrum.stats.class_order.class_order`).

    Parameters
    ----------
    predicted, labels : (N,)
        `predicted` holds the class that the model predicts for each image. `labels` holds the class number of each
        image's label (-1: no label), or is None if there are no labels.
    how : str
        Words that say how the class numbers were found (:func:`doldrum.confined.matching.class_numbers`); empty if the
        caller gave the numbers. The advice in the error message depends on `how`.
    names : N names, optional
        The text of each label in the source of the images, before it was converted to a class number.

    Returns
    -------
    The comparison, or None if there were fewer than 20 labels, or if the model predicts at least half of them.
    """
    if labels is None:
        return None
    some = labels >= 0
    answers, truth = np.asarray(predicted)[some], labels[some]
    if len(truth) < _FEWEST or (answers == truth).mean() >= _HALF:
        return None
    found = class_order(answers, truth, num_classes)
    if found.wrong:
        called = (
            {}
            if names is None
            else {int(k): visible(str(n), most=60) for k, n in zip(labels, names, strict=True) if n is not None}
        )
        raise InputError(
            f"expected labels in the model's order of classes, got labels in another order: the model predicts {found.given.value:.0%} of the {len(truth):,} labels, and {found.best.value:.0%} if its classes are put into another order. {_told(found, called, how)}"
        )
    return found


def other_order(found: ClassOrder | None) -> str | None:
    """Return a warning if the labels fit another order of the classes better, but not clearly enough to be sure.
    Otherwise, return None."""
    if found is None or not found.other:
        return None
    return f"The order of the classes may be wrong: the model predicts {found.given.value:.1%} of the labels, and {found.best.value:.1%} if its classes are put into another order. Check the labels and the preprocessing."


def _told(found: ClassOrder, called: dict[int, str], how: str) -> str:
    """Return the end of the error message: the order of the classes that was found, and what the user can do."""
    order = found.order
    named = bool(called) and "class numbers" not in how
    if named and len(order) <= _ALL and min(order) >= 0:
        by_model = [called[order.index(k)] for k in range(len(order))]
        seems = f"The model's order of the classes seems to be: {', '.join(by_model)}"
    else:
        moved = [k for k in range(len(order)) if order[k] >= 0 and order[k] != k]
        shown = [f"{called[k] if named else f'label {k}'} is the model's class {order[k]}" for k in moved[:_SOME]]
        seems = f"It seems that {', '.join(shown)}{', and so on' if len(moved) > _SOME else ''}"
    do = (
        "pass labels= with a file of the classes' names, one per line, in the model's order"
        if named
        else "number the labels in the model's order"
    )
    return f"{seems}; {do}, or give the images without labels. If the order is right, check the preprocessing"
