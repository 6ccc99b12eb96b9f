"""The clean images of a repair, with their labels. Some images are used for training, and the others to test the
result."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.confined.class_order import check_class_order
from doldrum.data import ImageSet
from doldrum.errors import ClassifierError, InputError
from doldrum.inspectors.contract.subject import answers
from doldrum.pixels import digest_of_image, to_float
from doldrum.seeds import rng

__all__ = ["FEWEST", "Halves", "parted"]

FEWEST = 40
"""The smallest number of clean images for a repair. With 40 images, 10 images test the repair."""
_MOST_TESTS = 1000
_TESTS = 0.25  # of the clean images
_RIGHT = 0.5  # of the labels given, at least: the repair would teach the others


@dataclass(frozen=True, eq=False)
class Halves:
    """The clean images, divided into images for training and images for tests. `fit` holds the training images with
    labels. `test` (N, C, H, W) holds the held-back images. `labels` holds the given labels of the held-back images, or
    is None.
    """

    fit: ImageSet
    test: NDArray[np.float32]
    labels: NDArray[np.int64] | None

    @property
    def given(self) -> bool:
        """Whether the user gave labels. Without given labels, `fit` holds the labels that the model predicts."""
        return self.labels is not None


def parted(classifier: Classifier, clean: ImageSet, seed: int, *, searched: Collection[str] = ()) -> Halves:
    """Hold back a quarter of the clean images for tests (at most 1,000), and use the others for training.

    The training images have the given labels or the model's own. An inspection with the same images and seed used no
    held-back image in its search, because the held-back images are the last ones in the inspection's order. `searched`
    holds the digests (:func:`doldrum.pixels.digest_of_image`) of the images that an explanation's search used. No image
    in `searched` is held back, for any seed.

    Raises InputError for fewer than 40 images, for images of only one class, and if too few images are left that the
    search did not use. Also raises InputError for labels beyond the model's classes, and if the model predicts less
    than half of the labels. Raises ClassifierError if no labels are given and the model gives no valid labels.
    """
    if len(clean) < FEWEST:
        raise InputError(
            f"expected at least {FEWEST} clean images to repair a model with, got {len(clean)}; add some: 1,000 work well"
        )
    if clean.labels is not None and int(clean.labels.max()) >= classifier.num_classes:
        raise InputError(
            f"expected labels below {classifier.num_classes}, the model's number of classes, got the label {clean.labels.max()}; are these images for another model?"
        )
    order = rng(seed, "inspect", "halves").permutation(len(clean))
    tests = min(round(_TESTS * len(clean)), _MOST_TESTS)
    if searched:
        used = np.array([digest_of_image(to_float(image)) in searched for image in clean.images])[order]
        order = np.concatenate([order[used], order[~used]])
        if (~used).sum() < tests:
            raise InputError(
                f"expected at least {tests} clean images that the search for the trigger did not use, to test the repair on, got {(~used).sum()} such images; add clean images"
            )
    chosen, held = order[: len(clean) - tests], order[len(clean) - tests :]
    images, test = clean.images[chosen], to_float(clean.images[held])
    if clean.labels is not None:
        labels, of_test, whose = clean.labels[chosen], clean.labels[held].astype(np.int64), ""
        _check_labels(answers(classifier, to_float(images)), labels, classifier.num_classes)
    else:
        labels, of_test, whose = answers(classifier, to_float(images)), None, ", according to the model's own labels"
        if (labels < 0).any():
            raise ClassifierError(
                f"expected scores that are numbers, got NaN or infinities for {(labels < 0).sum():,} clean images; the model is broken"
            )
    found = np.unique(labels)
    if len(found) < 2:
        raise InputError(
            f"expected clean images of several classes, got only images of class {found[0]}{whose}; give images of other classes too"
        )
    return Halves(ImageSet(images, labels.astype(np.int64)), test, of_test)


def _check_labels(found: NDArray[np.int64], labels: NDArray[np.int64], num_classes: int) -> None:
    """Raise InputError if the model does not predict most labels.

    A repair with wrong labels would teach the model wrong classes.
    """
    check_class_order(found, labels.astype(np.int64), num_classes)
    right = float((found == labels).mean())
    if right < _RIGHT:
        raise InputError(
            f"expected labels that the model predicts for most clean images, got labels that agree with the model for only {right:.0%} of the images; check the labels, the order of the classes and the preprocessing, "
            "or give the images without labels"
        )
