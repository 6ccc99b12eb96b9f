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
    """A change of the model's label from `source` to `target`. If `source` is None, the change starts from any class.
    If `target` is None, the change goes to any other class.

    An attack that leads images of any class to one target class has the route None -> target. An all-to-all attack has
    None -> None: every image gets another label. An attack on one source class, which only changes the label to any
    other class, has the route source -> None.

    >>> Route(None, 3).words(), Route(2, None).words(), ANYWHERE.words()
    ('any class to 3', '2 to any other', 'any class to any other')
    """

    source: int | None
    target: int | None

    def __post_init__(self) -> None:
        if self.source is not None and self.source == self.target:
            raise InputError(
                f"expected a route from one class to another class, got a route from class {self.source} to class {self.target}; change one of the two classes"
            )

    def starts(self, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Say which images a trigger of this route has to change. `labels` (N,) holds the model's labels for these
        images."""
        valid = labels >= 0
        if self.source is not None:
            return labels == self.source
        return valid if self.target is None else valid & (labels != self.target)

    def moved(self, before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
        """Say which images changed along the route. `before` and `after` hold the images' labels without and with the
        trigger."""
        if self.target is not None:
            return after == self.target
        return (after != before) & (after >= 0)

    def words(self) -> str:
        if self.target is None:
            return f"{'any class' if self.source is None else self.source} to any other"
        return f"{'any class' if self.source is None else self.source} to {self.target}"


ANYWHERE = Route(None, None)


def all_routes(num_classes: int) -> tuple[Route, ...]:
    """All 2 K + 1 routes for K classes: from any class to each class, from each class to any other class, and from any
    class to any other class.

    >>> len(all_routes(10))
    21
    """
    to = [Route(None, k) for k in range(num_classes)]
    away = [Route(k, None) for k in range(num_classes)]
    return (*to, *away, ANYWHERE)
