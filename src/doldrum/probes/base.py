"""Probe: a kind of perturbation (its family) with strengths, a number of draws, and a seed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import fits_in_memory, is_whole, whole_number
from doldrum.classifiers.base import Classifier
from doldrum.errors import InputError

__all__ = ["BoundProbe", "ImageProbe", "ModelProbe", "Probe", "make_bank"]


class BoundProbe(Protocol):
    """A probe that is prepared for one input shape.

    A BoundProbe holds the random values that are common to all inputs.
    """

    def fill(self, image: NDArray[np.float32], condition: int, start: int, stop: int, out: NDArray[np.float32]) -> None:
        """Perturb `image` (C, H, W) with the draws from `start` up to `stop` of one condition. Write the perturbed
        images to `out` (stop - start, C, H, W)."""
        ...


class Probe(ABC):
    """A kind of perturbation, its strengths, its number of draws, and its seed.

    A probe perturbs the image (`ImageProbe`) or the model (`ModelProbe`).

    Draw j of a condition depends only on (family, seed, j). So all inputs get the same draws. All strengths get the
    same draws too, if the kind of perturbation allows it.

    Raises InputError for strengths that are missing, negative or not finite, for fewer than one draw, and for a seed
    that is not a whole number.
    """

    family: ClassVar[str]

    def __init__(self, strengths: Sequence[float], *, draws: int = 100, seed: int = 0) -> None:
        try:
            values = tuple(float(s) for s in np.atleast_1d(np.asarray(strengths, dtype=float)))
        except (TypeError, ValueError):  # words, or a list of lists
            values = ()
        if not values or not all(math.isfinite(s) and s >= 0 for s in values):
            raise InputError(f"expected finite strengths of at least 0, got {strengths}; e.g. [0.05, 0.1, 0.2, 0.4]")
        if len(set(values)) != len(values):
            raise InputError(f"expected different strengths, got {strengths}; drop the repeated ones")
        if not is_whole(seed):
            raise InputError(f"expected a whole number as seed, got {seed!r}")
        self.strengths = values
        self.draws = whole_number(draws, "draws=", least=1, hint="e.g. 100")
        self.seed = int(seed)

    def to_dict(self) -> dict[str, Any]:
        """Everything that is needed to rebuild this probe, as JSON-able values.

        Arrays (overlays) are replaced by their hash.
        """
        return {
            "family": self.family,
            "strengths": list(self.strengths),
            "draws": self.draws,
            "seed": self.seed,
        }

    def check_strengths(self, most: float, unit: str) -> None:
        """Raise InputError for a strength above `most`, the maximum of this kind of perturbation."""
        if max(self.strengths) > most:
            raise InputError(
                f"expected strengths of at most {most:g} ({unit}), got the strength {max(self.strengths):g}"
            )

    def check_whole(self, unit: str) -> None:
        """Raise InputError for a strength that is not a whole number."""
        if any(s != int(s) for s in self.strengths):
            raise InputError(f"expected whole numbers as strengths ({unit}), got {list(self.strengths)}")

    def __repr__(self) -> str:
        settings = ", ".join(f"{k}={v}" for k, v in self.to_dict().items() if k != "family")
        return f"{type(self).__name__}({settings})"


class ImageProbe(Probe):
    """A probe that perturbs the image.

    A subclass defines `bind` (which returns the perturbation) and `family` (its name).
    """

    @abstractmethod
    def bind(self, input_shape: tuple[int, int, int]) -> BoundProbe:
        """Prepare the draws for one input shape."""


class ModelProbe(Probe):
    """A probe that perturbs the model and leaves the image unchanged. A subclass defines `model` and `family`.

    A ModelProbe needs access to the model's layers, and raises ClassifierError for a classifier that is not a torch
    module.
    """

    @abstractmethod
    def model(self, classifier: Classifier, condition: int, draw: int) -> Classifier:
        """The perturbed classifier of one draw. `classifier` is not changed."""


def make_bank(
    draws: int, shape: Sequence[int], draw: Callable[[int], NDArray[Any]], dtype: Any = np.float32
) -> NDArray[Any]:
    """Compute `draw(j)` for every j, once for all inputs and strengths, as one array (draws, *shape).

    Raises InputError if the array doesn't fit in memory.
    """
    size = draws * math.prod(shape) * np.dtype(dtype).itemsize
    try:
        if not fits_in_memory(size):
            raise MemoryError
        bank = np.empty((draws, *shape), dtype=dtype)
    except (MemoryError, ValueError) as error:  # ValueError: more bytes than an address can name
        raise InputError(
            f"expected draws whose noise fits in memory, got {draws} draws of shape {tuple(shape)}, which take {size / 2**30:,.1f} GiB; ask for fewer draws"
        ) from error
    for j in range(draws):
        bank[j] = draw(j)
    return bank
