"""For each class, the share of images of other classes that change to this class. The inspectors that need only labels
use these shares.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.inspectors.contract.hooks import routes_to
from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.contract.subject import answers

__all__ = ["LEAST", "answered", "gaussian", "log_odds", "shares_to", "values_of"]

LEAST = 0.01
"""A small share that is added above and below the fraction in `log_odds`. Without this small share, the log odds would
vary a lot for shares near 0, which say little."""


def shares_to(before: NDArray[np.int16], after: NDArray[np.int16], classes: int) -> NDArray[np.float64]:
    """The share of images of other classes that change to each class (K,).

    For classes c and k, take the share of images with label c before the perturbation that have label k after the
    perturbation. The result for class k is the mean of these shares over all classes c != k. Each class c has the same
    weight, whatever its number of images. The result for class k is NaN if all images have label k before the
    perturbation.

    >>> shares_to(np.array([0, 0, 1], np.int16), np.array([1, 0, 1], np.int16), 2).tolist()
    [0.0, 0.5]
    """
    known = before >= 0
    flows = np.zeros((classes, classes))
    got = known & (after >= 0)
    np.add.at(flows, (before[got], after[got]), 1)
    sizes = np.bincount(before[known], minlength=classes).astype(float)
    there = sizes > 0
    rates = flows[there] / sizes[there, None]
    other = np.flatnonzero(there)[:, None] != np.arange(classes)
    with np.errstate(invalid="ignore"):
        return (rates * other).sum(axis=0) / other.sum(axis=0)


def log_odds(share: NDArray[np.float64], least: float = LEAST) -> NDArray[np.float64]:
    """The log odds log((s + l) / (1 - s + l)) of shares s, with l = `least`.

    The log odds are finite for the shares 0 and 1. If a share s is far smaller than l, the log odds hardly depend on s.

    With l = 1 / (2 n) for n labels, the formula gives Haldane's estimate.

    Source: Haldane 1956, "The estimation and significance of the logarithm of a ratio of frequencies".

    >>> log_odds(np.array([0.0, 0.5]), least=0.05).round(2).tolist()
    [-3.04, 0.0]
    """
    return np.log((share + least) / (1 - share + least))


def answered(classifier: Classifier, batches: Iterable[NDArray[np.float32]]) -> NDArray[np.int16]:
    """The model's labels for several batches of images, one after the other."""
    return np.concatenate([answers(classifier, batch) for batch in batches])


def gaussian(
    images: NDArray[np.float32], sigma: float, draws: int, chance: np.random.Generator
) -> Iterable[NDArray[np.float32]]:
    """Yield `draws` noisy copies x + sigma e of the images. e is standard normal, and the copies are not clipped."""
    for _ in range(draws):
        noise = chance.standard_normal(images.shape, dtype=np.float32)
        yield np.add(images, sigma * noise, dtype=np.float32)


def values_of(values: NDArray[np.float64]) -> dict[Route, float]:
    """A dictionary with one entry per class k. The entry's value is number k of `values` (K,), and its key is the route
    from any class to class k."""
    return {route: float(v) for route, v in zip(routes_to(len(values)), values, strict=True)}
