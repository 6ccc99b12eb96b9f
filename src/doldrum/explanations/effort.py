"""`Effort` says how many images each step of an explanation uses.

The functions of this module compute how many queries an explanation takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from doldrum.errors import InputError
from doldrum.explanations.methods.all import METHODS

__all__ = ["FEWEST_CONTROLS", "LADDER", "LEAST", "Effort", "check_queries", "fitting"]

FEWEST_CONTROLS = 19
"""The smallest number of controls. An image that is like 19 controls is the best of all 20 with probability 5%.
"""


@dataclass(frozen=True)
class Effort:
    """The largest number of images that each step of an explanation uses.

    Parameters
    ----------
    search : int
        Number of clean images on which each candidate pattern is tried.
    choose : int
        Number of clean images on which a size is chosen. These images include the `search` images.
    held : int
        Number of clean images on which the chosen pattern is tested. These images are used for nothing else.
    controls : int
        Number of trusted images of the flagged image's class that are searched in the same way as the flagged image.
    """

    search: int
    choose: int
    held: int
    controls: int


LADDER = (Effort(36, 72, 200, 20), Effort(20, 48, 100, 19), Effort(10, 30, 60, 19))
"""The possible efforts, the largest first."""

_CANDIDATES, _LEVELS = 46, 6  # of a search of windows, at most about


def fitting(most: int | None, images: int) -> Effort:
    """The largest effort for which `most` queries are enough if all images have one class.

    If none fits, the smallest effort.

    >>> fitting(None, 8) is LADDER[0], fitting(60_000, 2) is LADDER[1]
    (True, True)
    """
    if most is None:
        return LADDER[0]
    return next((effort for effort in LADDER if needed(effort, images) <= most), LADDER[-1])


def check_queries(most: int | None, left: int | None, *, labelled: int) -> None:
    """Raise InputError if the allowed queries are not enough to explain one image.

    `most` is the limit of this run, and `left` is the number of images that may still be sent to an endpoint. First,
    the labels of `labelled` images are needed.
    """
    least = LEAST + labelled
    why = f"{labelled:,} for the labels of the images, and up to {LEAST:,} for the search in one image"
    if most is not None and most < least:
        raise InputError(f"expected max_queries= of at least {least:,} ({why}), got {most:,}; allow more")
    if left is not None and left < least:
        raise InputError(
            f"expected endpoint_queries= with room for {least:,} more images ({why}), got room for {left:,}; raise it"
        )


def needed(effort: Effort, images: int, *, methods: int = len(METHODS)) -> int:
    """The approximate largest number of queries for flagged images of one class; `images` is their number."""
    search = methods * (_CANDIDATES * effort.search + _LEVELS * effort.choose)
    return (images + effort.controls) * (search + effort.held)


LEAST = needed(LADDER[-1], 1, methods=1)
"""The number of queries that one image may take with the smallest effort."""
