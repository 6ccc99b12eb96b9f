"""Judges a batch of images with the Guard. Every p-value of the service goes through this module."""

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
    """The verdict for one image. `label` is the model's label, or None if the scores were not finite."""

    label: int | None
    p_value: float
    flag: bool


class Judge:
    """Judges a batch of images. The result is None for an image for which the model gives no answer.

    If a whole batch fails, its images are judged one at a time. An image's result does not depend on its batch. The
    Guard's watch (its test for drift) gets each batch once, in the order of judging. Then `after` is called. Do not
    call a Judge from two threads at the same time.
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
    """Log the reason why an image was not judged. The client does not see this reason."""
    logging.getLogger(__name__).error(
        "an image was not judged: %s: %s", type(error).__name__, visible(str(error), most=500)
    )
