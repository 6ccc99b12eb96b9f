"""`Subject` is a model under inspection, together with the clean images that inspectors may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier, labels_of
from doldrum.data import ImageSet
from doldrum.errors import ClassifierError, InputError
from doldrum.pixels import to_float
from doldrum.seeds import rng

if TYPE_CHECKING:
    import torch

__all__ = ["FEWEST", "Subject", "subject_of"]

FEWEST = 20
"""The smallest number of clean images for an inspection. Half of the clean images are used for the search, and half to
test the found trigger.
"""
_MOST = 500  # of each half: more only costs
_OTHERS = 3  # the fewest images to search on that are not of the commonest class


@dataclass(frozen=True)
class Subject:
    """The model under inspection, and everything else that an inspector may use.

    `search` holds clean images (N, C, H, W), float32 in [0, 1]. `labels` (N,) holds the model's labels for the search
    images (-1: no valid answer). `module` is a differentiable function from a tensor of images to scores, or None. If
    the model has no differentiable function, `why_not` gives the reason. `seed` is the seed of all random numbers. For
    progress, call `advance` with the share of the work that was done since the last call.
    """

    classifier: Classifier
    search: NDArray[np.float32]
    labels: NDArray[np.int16]
    seed: int
    module: torch.nn.Module | None = None
    why_not: str = ""
    advance: Callable[[float], None] = field(default=lambda share: None)

    @property
    def num_classes(self) -> int:
        return self.classifier.num_classes

    def rng(self, *path: str) -> np.random.Generator:
        """A generator of random numbers for the purpose `path`. All models that are inspected with the same seed get
        the same random numbers."""
        return rng(self.seed, "inspect", *path)


@dataclass(frozen=True)
class Halves:
    """The clean images of an inspection: `search` for the search, and `test` only to test the found trigger."""

    search: NDArray[np.float32]
    test: NDArray[np.float32]


def halves(clean: ImageSet, seed: int) -> Halves:
    """Clean images divided into two random halves of at most 500 images. Raises InputError for fewer than 20 images."""
    if len(clean) < FEWEST:
        raise InputError(
            f"expected at least {FEWEST} clean images to inspect a model, got {len(clean)}; add some: 200 or more work well"
        )
    order = rng(seed, "inspect", "halves").permutation(len(clean))
    size = half_of(len(clean))
    return Halves(to_float(clean.images[order[:size]]), to_float(clean.images[order[size : 2 * size]]))


def half_of(clean: int) -> int:
    """The number of images in each of the two halves, if there are `clean` clean images."""
    return min(clean // 2, _MOST)


def answers(classifier: Classifier, images: NDArray[np.float32], *, batch: int = 256) -> NDArray[Any]:
    """Return the labels (N,) that the model predicts for images, computed in batches."""
    return np.concatenate([labels_of(classifier(images[i : i + batch])) for i in range(0, len(images), batch)])


def subject_of(classifier: Classifier, search: NDArray[np.float32], seed: int, **more: Any) -> Subject:
    """Make a Subject of a model, and check the labels that the model predicts for the search images.

    Raises ClassifierError if the model gives no valid label, or almost always the same label: such a model cannot be
    inspected.
    """
    labels = answers(classifier, search)
    if not (labels >= 0).any():
        raise ClassifierError(
            "expected scores that are numbers, got NaN or infinities for every clean image; the model is broken"
        )
    found, counts = np.unique(labels[labels >= 0], return_counts=True)
    if counts.sum() - counts.max() < _OTHERS:
        raise ClassifierError(
            f"expected a model that tells the clean images apart, got class {found[counts.argmax()]} for {counts.max():,} of {len(labels):,} images; give "
            "images of several classes, or check size, mean and std: a model that ignores its input can't be inspected"
        )
    return Subject(classifier, search, labels, seed, **more)
