"""scikit-learn's digits: 1,797 grey images of digits, 8 x 8, which are part of the package scikit-learn."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from doldrum.data.imageset import ImageSet
from doldrum.errors import InputError, missing_extra
from doldrum.seeds import rng

__all__ = ["digits"]


def digits(split: str = "train") -> ImageSet:
    """About 1,437 training or 360 test images, uint8 (N, 1, 8, 8).

    The split is fixed, with a fifth of each class for testing.

    The 17 grey levels are scaled to 0 to 255 (level x 255 / 16, rounded).

    Source: scikit-learn, load_digits (UCI, optical recognition of handwritten digits).

    >>> digits("test").input_shape
    (1, 8, 8)
    """
    if split not in ("train", "test"):
        raise InputError(f"expected split 'train' or 'test', got {split!r}")
    table = np.loadtxt(_file(), delimiter=",")
    images = np.rint(table[:, :64].reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
    labels = table[:, 64].astype(np.int64)
    in_test = np.zeros(len(labels), dtype=bool)
    for k in range(10):
        members = rng(0, "digits split", k).permutation(np.flatnonzero(labels == k))
        in_test[members[: round(len(members) / 5)]] = True
    chosen = np.flatnonzero(in_test == (split == "test"))
    return ImageSet(
        images[chosen], labels[chosen], [f"digits/{i}" for i in chosen], [str(k) for k in range(10)], f"digits:{split}"
    )


def _file() -> Path:
    """The file of the images. It is found without importing scikit-learn, because the import takes seconds."""
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise missing_extra("sklearn", "sklearn")
    return Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
