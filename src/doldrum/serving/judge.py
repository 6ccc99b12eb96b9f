"""A batch of images -> what the Guard says of each; the one place through which every p-value goes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors import Guard
from doldrum.intake import visible

__all__ = ["Judge", "Judged", "tell"]


@dataclass(frozen=True)
class Judged:
    """`label`: the model's, or None if it gave no finite answer."""

    label: int | None
    p_value: float
    flag: bool


class Judge:
    """Answers a batch, an image at a time where the batch as a whole fails; None for an image that the model gives no answer for.

    An answer doesn't depend on the batch: it is the Guard's, whose watch sees each batch once, in the order judged; then `after` is called.
    Not safe to call from two threads at a time.
    """

    def __init__(self, guard: Guard, *, after: Callable[[], None] = lambda: None) -> None:
        self._guard, self._after = guard, after

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Judged | None]:
        try:
            result = self._guard(np.stack(images)).result
        except Exception as error:
            if len(images) == 1:
                tell(error)
                return [None]
            return [answer for image in images for answer in self([image])]
        self._after()
        return [
            Judged(int(label) if label >= 0 else None, float(p), bool(flag))
            for label, p, flag in zip(result.labels, result.p_values, result.flags, strict=True)
        ]


def tell(error: Exception) -> None:
    """Log why an image was not answered; its client is not told."""
    logging.getLogger(__name__).error(
        "an image was not answered: %s: %s", type(error).__name__, visible(str(error), most=500)
    )
