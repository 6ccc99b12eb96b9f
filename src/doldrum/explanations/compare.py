"""What was found against the controls: which size to test, by the choosing images; and the test, by the held-back ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doldrum.explanations.search import Found
from doldrum.stats.paired import mcnemar

__all__ = ["Choice", "choose", "worst_p"]

_NEAR = 0.05  # of two sizes that do about as well the smaller is taken
_FEWEST = 5  # choosing images of a class without which a claim about that class alone isn't looked at
_SCOPED = 0.3  # by so much a claim about one class must do better than one about all


@dataclass(frozen=True)
class Choice:
    """A level of a method, the class of the images it is about (None: all), and by how much it does better than the best control."""

    level: int
    scope: int | None
    success: float
    margin: float


def choose(found: Found, controls: Sequence[Found], classes: NDArray[np.int64]) -> Choice:
    """Level and scope with the largest margin on the choosing images, whose classes are (choose,); smaller levels before larger ones."""
    scopes: list[tuple[int | None, NDArray[np.bool_]]] = [(None, np.ones(len(classes), dtype=bool))]
    scopes += [(int(c), classes == c) for c in np.unique(classes) if (classes == c).sum() >= _FEWEST]
    made = []
    for scope, rows in scopes:
        ours = found.hits[:, rows].mean(axis=1)
        theirs = np.max([c.hits[:, rows].mean(axis=1) for c in controls], axis=0) if controls else np.zeros(len(ours))
        margins = ours - theirs
        level = int(np.flatnonzero(margins >= margins.max() - _NEAR)[-1])
        made.append(Choice(level, scope, float(ours[level]), float(margins[level])))
    return max(made, key=lambda c: (c.margin - (0 if c.scope is None else _SCOPED), c.scope is None))


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
