"""Training sets with imbalanced classes, which have names such as "fashion-mnist 1:100"."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from doldrum.data import ImageSet
from doldrum.errors import InputError

__all__ = ["falls", "thinned", "training_imbalance"]


def falls(classes: int, ratio: float) -> NDArray[np.float64]:
    """One factor per class. The factors fall geometrically from 1 for the first class to 1 / ratio for the last class.

    >>> falls(3, 100).tolist(), falls(1, 100).tolist()
    ([1.0, 0.1, 0.01], [1.0])
    """
    return float(ratio) ** (-np.arange(classes) / max(1, classes - 1))


def training_imbalance(name: str) -> tuple[str, int]:
    """Split a name such as "digits 1:100" into the data set's name and the imbalance ratio.

    The ratio says how many times more training images the first class has than the last.

    >>> training_imbalance("fashion-mnist 1:100"), training_imbalance("digits")
    (('fashion-mnist', 100), ('digits', 1))

    Raises InputError for an invalid ratio.
    """
    plain, _, ratio = name.partition(" ")
    if not ratio:
        return name, 1
    found = re.fullmatch(r"1:([1-9]\d{0,3})", ratio)
    if not found:
        raise InputError(
            f"expected a ratio from 1:1 to 1:9999 after a data set's name, got {name!r}; e.g. {plain} 1:100"
        )
    return plain, int(found[1])


def thinned(data: ImageSet, ratio: int) -> ImageSet:
    """A copy of a data set with a long tail: class 0 keeps all images, and the last class keeps 1 / `ratio` of its images.

    For the classes between the first and the last, the share of kept images falls geometrically.

    >>> from doldrum.data import load_dataset
    >>> np.bincount(thinned(load_dataset("digits:train"), 10).labels).tolist()
    [142, 113, 85, 68, 52, 41, 31, 24, 18, 14]
    """
    if ratio == 1:
        return data
    if data.labels is None:
        raise InputError(
            "expected labels in the data set, since an imbalance ratio removes images of some classes, got no labels; leave out the ratio"
        )
    groups = [np.flatnonzero(data.labels == k) for k in range(data.num_classes)]
    keep = [max(1, round(len(g) * share)) for g, share in zip(groups, falls(len(groups), ratio), strict=True)]
    return data.take(np.sort(np.concatenate([g[:n] for g, n in zip(groups, keep, strict=True)])))
