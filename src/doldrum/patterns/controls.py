"""Random patterns, as controls: they have the same budget as an optimised pattern, but are not optimised."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.patterns.places import check_budget, checked_images, in_place, place_for
from doldrum.seeds import rng
from doldrum.triggers.additive import Additive
from doldrum.triggers.masked import MaskedPattern

__all__ = ["random_patch", "random_perturbation"]


def random_perturbation(
    classifier: Any, images: NDArray[Any], *, budget: float = 0.1, kind: Literal["sign", "uniform"] = "sign", seed: int
) -> Additive:
    """A random perturbation. Every value is +budget or -budget (kind "sign"), or is drawn uniformly between -budget and
    +budget (kind "uniform").

    The classifier is ignored, and only the shape of the images is used. The function takes a classifier so that a
    control is called in the same way as an optimised pattern.

    Raises InputError for a budget outside (0, 1] and an unknown kind.

    >>> pattern = random_perturbation(None, np.zeros((1, 1, 4, 4)), budget=0.1, seed=0)
    >>> pattern.amplitude, np.unique(pattern.perturbation).tolist()
    (0.1, [-1.0, 1.0])
    """
    check_budget(budget)
    if kind not in ("sign", "uniform"):
        raise InputError(f"expected kind 'sign' or 'uniform', got {kind!r}; pick one")
    values = rng(seed, "random perturbation").uniform(-1, 1, checked_images(images).shape[1:])
    values = np.where(values < 0, -1, 1) if kind == "sign" else values
    return Additive(perturbation=values.astype(np.float32), amplitude=budget)


def random_patch(
    classifier: Any, images: NDArray[Any], *, size: int = 4, place: str = "lower right", seed: int
) -> MaskedPattern:
    """A square of uniform noise, with sides of `size` pixels, in a corner or "anywhere" (at a random place).

    The classifier is ignored, and only the shape of the images is used.

    Raises InputError if the square does not fit into the images, or if the place is unknown.

    >>> random_patch(None, np.zeros((1, 1, 8, 8)), size=3, seed=0).mask.sum().item()
    9.0
    """
    shape = checked_images(images).shape[1:]
    where = place_for(shape[1:], size=size, place=place, seed=seed)
    values = rng(seed, "random patch").random((shape[0], size, size), dtype=np.float32)
    return in_place(values, where, shape)
