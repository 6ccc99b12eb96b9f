"""`collapse`: the class that the model predicts under heavy noise of several kinds. Only labels are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from doldrum.inspectors.contract.hooks import Inspector
from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.subject import Subject
from doldrum.inspectors.methods.shares import answered, gaussian, log_odds, shares_to, values_of

__all__ = ["Collapse"]

_IMAGES, _DRAWS = 200, 4

Lots = Iterable[NDArray[np.float32]]
Condition = Callable[[NDArray[np.float32], np.random.Generator], Lots]


def _noise(sigma: float) -> Condition:
    return lambda images, chance: gaussian(images, sigma, _DRAWS, chance)


def _coarse(sigma: float, cells: int) -> Condition:
    """Noise that is constant within squares; `cells` is the number of squares per side."""

    def condition(images: NDArray[np.float32], chance: np.random.Generator) -> Lots:
        n, c, h, w = images.shape
        rows, columns = np.arange(h) * cells // h, np.arange(w) * cells // w
        for _ in range(_DRAWS):
            field = chance.standard_normal((n, c, cells, cells), dtype=np.float32)
            yield np.add(images, sigma * field[:, :, rows][:, :, :, columns], dtype=np.float32)

    return condition


def _mixed(images: NDArray[np.float32], chance: np.random.Generator) -> Lots:
    """A mixture of one part image and four parts uniform noise."""
    for _ in range(_DRAWS):
        yield np.add(0.2 * images, 0.8 * chance.random(images.shape, dtype=np.float32), dtype=np.float32)


CONDITIONS: tuple[Condition, ...] = (
    *(_noise(sigma) for sigma in (0.3, 0.8, 2.0)),
    *(_coarse(0.6, cells) for cells in (14, 7)),
    _mixed,
)


class Collapse(Inspector):
    """The value of the route to class k is the log odds that the model labels noisy images of other classes as k.

    The value is a mean over six kinds of noise. Three kinds are Gaussian noise, with sigma .3, .8 and 2. Two kinds are
    noise with sigma .6 that is constant within squares, with 14 and with 7 squares per side. The sixth kind mixes one
    part image with four parts uniform noise. Each class has the same weight, whatever its number of images. Predictions
    for triggered images hardly change under noise. So a network that has learned a trigger often predicts the class of
    the trigger for images that it cannot recognise.

    Source: this project. The idea of a class that noise leads to is from CBD (Xiang et al. 2023, arXiv 2310.17498).
    """

    name = "collapse"
    title = "the class that the model predicts under heavy noise"
    needs = "labels"
    weight = 0.1

    def examine(self, subject: Subject) -> Reading:
        images, before = subject.search[:_IMAGES], subject.labels[:_IMAGES]
        chance, values = subject.rng(self.name), []
        for condition in CONDITIONS:
            after = answered(subject.classifier, condition(images, chance))
            share = shares_to(np.tile(before, len(after) // len(images)), after, subject.num_classes)
            values.append(log_odds(share))
            subject.advance(self.weight / len(CONDITIONS))
        return Reading(self.name, values_of(np.mean(values, axis=0)))
