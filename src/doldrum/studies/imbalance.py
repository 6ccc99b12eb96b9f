"""Training sets whose classes are out of proportion: "fashion-mnist 1:100"."""

from __future__ import annotations

import re

import numpy as np

from doldrum.data import ImageSet
from doldrum.errors import InputError

__all__ = ["thinned", "training_imbalance"]


def training_imbalance(name: str) -> tuple[str, int]:
    """A data set's name, and how many times as many training images its first class has as its last.

    >>> training_imbalance("fashion-mnist 1:100"), training_imbalance("digits")
    (('fashion-mnist', 100), ('digits', 1))
    """
    found = re.fullmatch(r"(.+) 1:([1-9]\d{0,3})", name)
    return (found[1], int(found[2])) if found else (name, 1)


def thinned(data: ImageSet, ratio: int) -> ImageSet:
    """A long tail: class 0 stays whole, the last one keeps a `ratio`-th of its images, and those between fall geometrically.

    >>> from doldrum.data import load_dataset
    >>> np.bincount(thinned(load_dataset("digits:train"), 10).labels).tolist()
    [142, 113, 85, 68, 52, 41, 31, 24, 18, 14]
    """
    if ratio == 1:
        return data
    if data.labels is None:
        raise InputError("expected a data set with labels to thin its classes, got none; leave out the ratio")
    groups = [np.flatnonzero(data.labels == k) for k in range(data.num_classes)]
    keep = [max(1, round(len(g) * float(ratio) ** (-k / (len(groups) - 1)))) for k, g in enumerate(groups)]
    return data.take(np.sort(np.concatenate([g[:n] for g, n in zip(groups, keep, strict=True)])))
