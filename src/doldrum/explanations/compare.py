"""Compares a found pattern with the controls: a size is chosen on some clean images, and tested on held-back images.

A method searches a flagged image for a pattern that changes other images to the class of the flagged image. The
controls are trusted images of the flagged image's class, which the method searches in the same way. The "choosing
images" are clean images on which a size and a scope are chosen. The scope is the class of the clean images that a claim
is about, or None for all classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doldrum.explanations.search import Found
from doldrum.stats.paired import mcnemar

__all__ = ["Choice", "choose", "rank", "worst_p"]

_NEAR = 0.05  # of two sizes that do about as well the smaller is taken
_FEWEST = 5  # choosing images of a class without which a claim about that class alone isn't looked at
_SCOPED = 0.3  # by so much a claim about one class must do better than one about all


@dataclass(frozen=True)
class Choice:
    """The size (`level`) and scope that were chosen for a pattern. `margin` says how much better the pattern works than
    the best control.

    `score` is the margin, lowered if the scope is a single class.
    """

    level: int
    scope: int | None
    success: float
    margin: float
    score: float


def choose(found: Found, controls: Sequence[Found], classes: NDArray[np.int64]) -> Choice:
    """Choose the level and scope at which the pattern is better than the best control by the largest margin on the
    choosing images.

    `classes` holds the class of each choosing image.

    If several levels have almost the same margin, the level with the smallest pattern is chosen.
    """
    hits = np.stack([found.hits, *(control.hits for control in controls)])
    made = []
    for scope, rows, levels in _scopes(classes, found.by_class):
        ours, *theirs = hits[:, :, rows].mean(axis=2)
        margins = np.where(levels, ours - (np.max(theirs, axis=0) if controls else 0.0), -np.inf)
        level = int(np.flatnonzero(margins >= margins.max() - _NEAR)[-1])
        margin = float(margins[level])
        made.append(Choice(level, scope, float(ours[level]), margin, margin - _fine(scope)))
    return max(made, key=lambda c: (c.score, c.scope is None))


def _scopes(
    classes: NDArray[np.int64], by_class: NDArray[np.bool_]
) -> list[tuple[int | None, NDArray[np.bool_], NDArray[np.bool_]]]:
    """The possible scopes: all choosing images together, and each class with enough choosing images.

    The result is a list of triples: a scope, the images in this scope, and the levels that are allowed for this scope.
    """
    each = [(int(c), classes == c, by_class) for c in np.unique(classes) if (classes == c).sum() >= _FEWEST]
    return [(None, np.ones(len(classes), dtype=bool), np.ones(len(by_class), dtype=bool)), *each]


def _fine(scope: int | None) -> float:
    return 0.0 if scope is None else _SCOPED


def rank(ours: Sequence[Found], controls: Sequence[Sequence[Found]], classes: NDArray[np.int64]) -> float:
    """A conformal p-value: the share of images that stand out from the others at least as much as the flagged image
    does.

    "All images" means the flagged image and its controls. `ours` holds the patterns that each method found in the
    flagged image. `controls` holds the patterns that each method found in each control. The flagged image is compared
    with its controls. In the same way, each control is compared with the flagged image and all other controls. So if
    the flagged image is like the controls, the p-value is valid: P(p-value <= a) <= a. The p-value is valid for any
    number of methods, sizes and classes.
    """
    scores = np.max(
        [_best_margins([one, *theirs], classes) for one, theirs in zip(ours, controls, strict=True)],
        axis=0,
    )  # fmt: skip
    return float((scores >= scores[0]).mean())


def _best_margins(founds: Sequence[Found], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """For each of n images, the largest margin (n,) of its pattern over the patterns of the other images.

    At one level and scope, the margin is the success of the image's pattern, minus the highest success of any pattern
    of the other images. The success of a pattern is the share of choosing images that it changes to the class. For each
    image, the largest margin over all levels and scopes of a method is returned. The margin is lowered if the scope is
    a single class.
    """
    hits = np.stack([one.hits for one in founds])
    best = np.full(len(hits), -np.inf)
    for scope, rows, levels in _scopes(classes, founds[0].by_class):
        rates = hits[:, :, rows].mean(axis=2)
        second, first = np.partition(rates, -2, axis=0)[-2:]
        others = np.where((rates == first) & (rates > second), second, first)
        margins = np.where(levels, rates - others, -np.inf)
        best = np.maximum(best, margins.max(axis=1) - _fine(scope))
    return best


def worst_p(ours: NDArray[np.bool_], controls: Sequence[NDArray[np.bool_]]) -> float:
    """The p-value of the hypothesis "the pattern of some control succeeds at least as often as the found pattern".

    `ours` and `controls` say on which of N images the found pattern and each control's pattern succeeded. The N images
    must be a random sample of the images that the claim is about. An exact paired test (`stats.mcnemar`) compares the
    found pattern with each control's pattern, and the largest p-value of these tests is returned. If the hypothesis is
    rejected, the found pattern is better than the pattern of every control. Such an intersection-union test needs no
    correction for the number of controls. If there are no controls, the p-value is 1.

    Source: Berger, Technometrics 1982.

    >>> hit, miss = np.ones(10, dtype=bool), np.zeros(10, dtype=bool)
    >>> worst_p(hit, [miss, hit])
    1.0
    """
    return max((mcnemar(ours, theirs) for theirs in controls), default=1.0)
