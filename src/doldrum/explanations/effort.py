"""Effort: how many images each step looks at, and what a number of queries is enough for."""

from __future__ import annotations

from dataclasses import dataclass

from doldrum.errors import InputError
from doldrum.explanations.methods.all import METHODS

__all__ = ["FEWEST_CONTROLS", "LADDER", "LEAST", "Effort", "check_queries", "fitting"]

FEWEST_CONTROLS = 19
"""An image that is like the controls is the best of 1 + 19 with probability 5%."""


@dataclass(frozen=True)
class Effort:
    """How many images a step looks at, at most.

    Parameters
    ----------
    search : int
        Clean images on which each candidate is tried.
    choose : int
        Clean images, those among them, on which a size is chosen.
    held : int
        Clean images on which what was chosen is tested, and nothing else was done.
    controls : int
        Trusted images of the class, whose regions are looked for in the same way.
    """

    search: int
    choose: int
    held: int
    controls: int


LADDER = (Effort(36, 72, 200, 20), Effort(20, 48, 100, 19), Effort(10, 30, 60, 19))
"""Most first."""

_CANDIDATES, _LEVELS = 46, 6  # of a search of windows, at most about


def fitting(most: int | None, images: int) -> Effort:
    """The most effort that `most` queries are enough for, if all images were of one class; the least where none is.

    >>> fitting(None, 8) is LADDER[0], fitting(60_000, 2) is LADDER[1]
    (True, True)
    """
    if most is None:
        return LADDER[0]
    return next((effort for effort in LADDER if needed(effort, images) <= most), LADDER[-1])


def check_queries(most: int | None, left: int | None, *, labelled: int) -> None:
    """Raise InputError where so many queries, or those that are left of an endpoint, are not enough for one image, with `labelled` images whose labels are asked for first."""
    least = LEAST + labelled
    why = f"{labelled:,} for the labels of the images, and {LEAST:,} that the search in one image may take"
    if most is not None and most < least:
        raise InputError(f"expected max_queries= of at least {least:,} ({why}), got {most:,}; allow more")
    if left is not None and left < least:
        raise InputError(
            f"expected endpoint_queries= with room for {least:,} more images ({why}), got room for {left:,}; raise it"
        )


def needed(effort: Effort, images: int, *, methods: int = len(METHODS)) -> int:
    """About how many queries so many images of one class take at most."""
    search = methods * (_CANDIDATES * effort.search + _LEVELS * effort.choose)
    return (images + effort.controls) * (search + effort.held)


LEAST = needed(LADDER[-1], 1, methods=1)
"""Queries that one image may take."""
