"""`Verdict`, the result of one cleansing method for a training set, and checks that all methods share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_number
from doldrum.errors import InputError

__all__ = ["MARGIN", "Verdict", "checked_class", "checked_rate", "highest"]

MARGIN = 1.5  # Tran, Li and Madry's: more is dropped than is expected


@dataclass(frozen=True, eq=False)
class Verdict:
    """The result of one cleansing method for N samples.

    Parameters
    ----------
    method : str
    scores : float64 array (N,)
        A higher score is more suspicious. If a method handles each class separately, compare scores only within a
        class.
    drop : bool array (N,)
        The samples to drop, by the method's own rule.
    rule : str
        The method's rule for dropping samples, in words and numbers.
    details : mapping
        Additional results of the method, as values that JSON can hold.

        Raises InputError if lengths differ or a score is NaN.
    """

    method: str
    scores: NDArray[np.float64]
    drop: NDArray[np.bool_]
    rule: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.scores.ndim != 1 or self.scores.shape != self.drop.shape or np.isnan(self.scores).any():
            raise InputError(
                f"expected one score without NaN and one boolean per sample, got shapes {self.scores.shape} and {self.drop.shape}"
            )

    @property
    def num_dropped(self) -> int:
        return int(self.drop.sum())


def checked_rate(rate: Any) -> float:
    """The expected share of poisoned samples as a float in (0, .5].

    Raises InputError for a rate that is not in (0, .5].

    >>> checked_rate(0.05)
    0.05
    """
    if not is_number(rate) or not 0 < rate <= 0.5:
        raise InputError(f"expected a rate above 0 and up to 0.5, got {rate!r}; 5% is 0.05")
    return float(rate)


def checked_class(features: Any) -> NDArray[np.float64]:
    """Features (n, D) of one class as finite float64.

    Raises InputError if `features` is empty, is not an array (n, D), or has NaN or infinite values.
    """
    found = np.asarray(features, dtype=np.float64)
    if found.ndim != 2 or 0 in found.shape:
        raise InputError(f"expected features of shape (samples, features), got {found.shape}; pass one row per sample")
    if not np.isfinite(found).all():
        raise InputError("expected finite features, got NaN or infinities; the model overflows on these samples")
    return found


def highest(scores: NDArray[np.float64], rate: Any) -> NDArray[np.bool_]:
    """Mark the highest scores: of n scores, 1.5 x rate x n are marked.

    The number 1.5 x rate x n is rounded up, and at most n - 1 scores are marked. Of equal scores, the first ones are
    marked.

    >>> highest(np.array([1.0, 5.0, 3.0, 2.0]), 0.25).tolist()
    [False, True, True, False]
    """
    count = min(math.ceil(MARGIN * checked_rate(rate) * len(scores) - 1e-9), len(scores) - 1)
    drop = np.zeros(len(scores), dtype=bool)
    drop[np.argsort(-scores, kind="stable")[:count]] = True
    return drop
