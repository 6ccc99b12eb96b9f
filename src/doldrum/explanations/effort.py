"""`Effort` says how many images each step of an explanation uses.

The functions of this module compute how many queries an explanation takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from doldrum.errors import InputError
from doldrum.explanations.methods.all import METHODS

__all__ = ["FEWEST_CONTROLS", "LADDER", "LEAST", "Effort", "check_queries", "fitting"]

FEWEST_CONTROLS = 19
"""The smallest number of controls. If an image is like its 19 controls, it is the best of these 20 images with
probability 5%.
"""


@dataclass(frozen=True)
class Effort:
    """The largest number of images that each step of an explanation uses.

    Parameters
    ----------
    search : int
        Number of clean images on which each candidate pattern is tried.
    choose : int
        Number of clean images on which the size of the pattern is chosen. The images of `search` are among these
        images, and are counted in `choose`.
    held : int
        Number of clean images on which the chosen pattern is tested. These images are not used to search for a pattern
        or to choose its size.
    controls : int
        Number of trusted images of the flagged image's class that are searched in the same way as the flagged image.
    """

    search: int
    choose: int
    held: int
    controls: int


LADDER = (Effort(36, 72, 200, 20), Effort(20, 48, 100, 19), Effort(10, 30, 60, 19))
"""All Effort objects that can be chosen, from the largest to the smallest."""

_CANDIDATES, _LEVELS = 46, 6  # of a search of windows, at most about


def fitting(most: int | None, images: int) -> Effort:
    """The largest Effort that needs at most `most` queries for images of one class.

    If every Effort needs more queries, the result is the smallest Effort.

    >>> fitting(None, 8) is LADDER[0], fitting(60_000, 2) is LADDER[1]
    (True, True)
    """
    if most is None:
        return LADDER[0]
    return next((effort for effort in LADDER if needed(effort, images) <= most), LADDER[-1])


def check_queries(most: int | None, left: int | None, *, labelled: int) -> None:
    """Raise InputError if the allowed queries are not enough to explain one image.

    `most` is the largest number of queries in this run, and `left` is the number of images that may still be sent to an
    endpoint. `labelled` is the number of images whose labels are needed before the search.
    """
    least = LEAST + labelled
    why = f"{labelled:,} for the labels of the images, and up to {LEAST:,} for the search in one image"
    if most is not None and most < least:
        raise InputError(f"expected max_queries= of at least {least:,} ({why}), got {most:,}; allow more queries")
    if left is not None and left < least:
        raise InputError(
            f"expected endpoint_queries= with room for {least:,} more images ({why}), got room for {left:,}; raise endpoint_queries="
        )


def needed(effort: Effort, images: int, *, methods: int = len(METHODS)) -> int:
    """The approximate largest number of queries that it takes to explain `images` flagged images of one class."""
    search = methods * (_CANDIDATES * effort.search + _LEVELS * effort.choose)
    return (images + effort.controls) * (search + effort.held)


LEAST = needed(LADDER[-1], 1, methods=1)
"""The number of queries that the explanation of one image may take with the smallest Effort."""
