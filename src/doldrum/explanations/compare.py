"""What was found against the controls: which size to test, by the choosing images; and the test, by the held-back ones."""

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
    """A level of a method, the class of the images it is about (None: all), and by how much it does better than the best control.

    `score` is the margin, less where it is about one class.
    """

    level: int
    scope: int | None
    success: float
    margin: float
    score: float


def choose(found: Found, controls: Sequence[Found], classes: NDArray[np.int64]) -> Choice:
    """Level and scope with the largest margin on the choosing images, whose classes are (choose,); smaller levels before larger ones."""
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
    """All choosing images, and those of each class that has enough of them; each with the levels at which a claim may be about them."""
    each = [(int(c), classes == c, by_class) for c in np.unique(classes) if (classes == c).sum() >= _FEWEST]
    return [(None, np.ones(len(classes), dtype=bool), np.ones(len(by_class), dtype=bool)), *each]


def _fine(scope: int | None) -> float:
    return 0.0 if scope is None else _SCOPED


def rank(ours: Sequence[Found], controls: Sequence[Sequence[Found]], classes: NDArray[np.int64]) -> float:
    """Share of the controls, the image itself counted among them, that do as well beside the others as the image does.

    `ours` is what each method found, `controls` the same of each method: a control is held against the other controls and the image, just as the image
    is against the controls. So for an image that is like the controls P(rank <= a) <= a, however many methods, sizes and classes were looked at (a conformal
    p-value).
    """
    scores = np.max(
        [_best_margins([one, *theirs], classes) for one, theirs in zip(ours, controls, strict=True)],
        axis=0,
    )  # fmt: skip
    return float((scores >= scores[0]).mean())


def _best_margins(founds: Sequence[Found], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,): how far each of n, by one method, stands out among the others, at best over levels and scopes."""
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
    """p-value of "some control succeeds at least as often": the largest of the exact paired p-values against each (`stats.mcnemar`).

    All were tried on the same images (N,), which are the unit: a random sample of those that are meant. To reject it is to say that ours does better than every control, so no correction for their number is due (an
    intersection-union test). 1 without controls.

    Source: Berger, Technometrics 1982.

    >>> hit, miss = np.ones(10, dtype=bool), np.zeros(10, dtype=bool)
    >>> worst_p(hit, [miss, hit])
    1.0
    """
    return max((mcnemar(ours, theirs) for theirs in controls), default=1.0)
