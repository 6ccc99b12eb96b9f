"""A simple shape in one colour, like a label on an object. The shape is a control: a harmless pattern, with which
patterns that mislead the model are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.patterns.places import checked_images, in_place, place_for
from doldrum.seeds import rng
from doldrum.triggers.masked import MaskedPattern

__all__ = ["SHAPES", "logo"]

SHAPES = ("disc", "ring", "cross", "triangle", "frame")


def logo(
    classifier: Any,
    images: NDArray[Any],
    *,
    shape: str | None = None,
    size: int = 8,
    place: str = "lower right",
    seed: int,
) -> MaskedPattern:
    """A shape of one light colour, with sides of `size` pixels, at the same place in all images.

    Only the shape's pixels change.

    `shape` is one of SHAPES; None chooses it at random with the seed. The colour is drawn at random, with each channel
    in [.7, 1]. `place` is a corner or "anywhere". The classifier is ignored.

    Raises InputError for an unknown shape or place, and for a size that is below 3 or does not fit into the images.

    >>> logo(None, np.zeros((1, 1, 8, 8)), shape="frame", size=3, seed=0).mask[5:, 5:].tolist()
    [[1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]]
    """
    given = checked_images(images).shape[1:]
    draw = rng(seed, "logo")
    drawn = SHAPES[int(draw.integers(len(SHAPES)))]
    shape = drawn if shape is None else shape
    if shape not in SHAPES or size < 3:
        raise InputError(
            f"expected a shape among {', '.join(SHAPES)} and a size of at least 3, got {shape!r} and {size}; change it"
        )
    where = place_for(given[1:], size=size, place=place, seed=seed)
    colour = draw.uniform(0.7, 1, (given[0], 1, 1))
    return in_place(np.broadcast_to(colour, (given[0], size, size)), where, given, cover=_cover(shape, size))


def _cover(shape: str, size: int) -> NDArray[np.float32]:
    """The mask (size, size) of a shape: 1 on the shape's pixels, 0 elsewhere."""
    i, j = np.indices((size, size))
    middle = (size - 1) / 2
    down, along = np.abs(i - middle), np.abs(j - middle)
    radius = np.hypot(down, along)
    thick = max(1.0, size / 6)
    covers = {
        "disc": radius <= size / 2,
        "ring": (radius <= size / 2) & (radius > size / 2 - thick - 0.5),
        "cross": (down < thick) | (along < thick),
        "triangle": along <= (i + 1) / 2,
        "frame": np.maximum(down, along) > middle - thick,
    }
    return covers[shape].astype(np.float32)
