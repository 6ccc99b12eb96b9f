"""`Route` says from which class to which class a trigger may lead images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError

__all__ = ["ANYWHERE", "Route", "all_routes"]


@dataclass(frozen=True, order=True)
class Route:
    """A change of the model's label from `source` to `target`. None means any class, or any other class.

    An attack with one target has the route None -> target. An all-to-all attack has None -> None: every image gets
    another label. An attack on a single source class has the route source -> None.

    >>> Route(None, 3).words(), Route(2, None).words(), ANYWHERE.words()
    ('any class to 3', '2 to any other', 'any class to any other')
    """

    source: int | None
    target: int | None

    def __post_init__(self) -> None:
        if self.source is not None and self.source == self.target:
            raise InputError(
                f"expected a route from one class to another, got {self.source} to {self.target}; change one"
            )

    def starts(self, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Which images a trigger of this route has to change, given the model's labels (N,) for them."""
        valid = labels >= 0
        if self.source is not None:
            return labels == self.source
        return valid if self.target is None else valid & (labels != self.target)

    def moved(self, before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
        """Which images changed along the route, given their labels before and after."""
        if self.target is not None:
            return after == self.target
        return (after != before) & (after >= 0)

    def words(self) -> str:
        if self.target is None:
            return f"{'any class' if self.source is None else self.source} to any other"
        return f"{'any class' if self.source is None else self.source} to {self.target}"


ANYWHERE = Route(None, None)


def all_routes(num_classes: int) -> tuple[Route, ...]:
    """All 2 K + 1 routes: from any class to each class, from each class to any other, and from any class to any other.

    >>> len(all_routes(10))
    21
    """
    to = [Route(None, k) for k in range(num_classes)]
    away = [Route(k, None) for k in range(num_classes)]
    return (*to, *away, ANYWHERE)
