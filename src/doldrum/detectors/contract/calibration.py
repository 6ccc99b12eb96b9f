"""Calibration: the scores of clean inputs, and the p-values that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.stats import conformal
from doldrum.stats.proportions import Interval

__all__ = ["Calibration"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores (n,) and tie breakers (n,) of clean inputs, the false-positive rate to promise, and the seed of the tie
    breakers.

    With `groups` (n,), the predicted classes, the rate is promised for each predicted class separately. An input
    without a label has group -1 and belongs to no class, so it is compared with all calibration inputs.

    Raises InputError if there are too few inputs (or too few of one class) to promise `fpr`. The message gives the
    number of inputs needed.

    >>> rng = np.random.default_rng(0)
    >>> c = Calibration(rng.normal(size=199), rng.random(199), fpr=0.01, seed=0)
    >>> c.p_values(np.array([9.0]), np.array([0.5])).tolist()
    [0.005]
    >>> c.promise
    Interval(value=0.01, lower=0.001..., upper=0.02...)
    """

    scores: NDArray[np.float64]
    ties: NDArray[np.float64]
    fpr: float
    seed: int
    groups: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.scores.shape != (n,) or self.ties.shape != (n,) or np.isnan(self.scores).any():
            raise InputError(
                f"expected one score without NaN and one tie breaker per calibration input, got scores of shape {self.scores.shape} and tie breakers of shape {self.ties.shape}, or a score that is NaN"
            )
        conformal.check_size(n, self.fpr)
        if self.groups is None:
            return
        if self.groups.shape != (n,):
            raise InputError(
                f"expected an array of {n} groups, got groups of shape {self.groups.shape}; pass one group per calibration input"
            )
        for group in np.unique(self.groups[self.groups >= 0]):
            what = f"calibration inputs of predicted class {group}"
            conformal.check_size(int((self.groups == group).sum()), self.fpr, what=what)

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def smallest(self) -> int:
        """The number of calibration inputs that a p-value is based on. With groups, only the inputs of the class with
        the fewest calibration inputs count."""
        if self.groups is None or not (self.groups >= 0).any():
            return len(self)
        return int(np.unique(self.groups[self.groups >= 0], return_counts=True)[1].min())

    @property
    def promise(self) -> Interval:
        """The mean and the 95% limits of the realised false-positive rate. With groups, the rate is for the class with
        the fewest calibration inputs."""
        return conformal.realised_fpr(self.smallest, self.fpr)

    def p_values(
        self, scores: NDArray[np.float64], ties: NDArray[np.float64], groups: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Conformal p-values (m,). The array `groups` (m,) is used only if the calibration has groups."""
        p = conformal.p_values(self.scores, scores, calibration_ties=self.ties, ties=ties)
        if self.groups is None or groups is None:
            return p
        within = conformal.p_values(
            self.scores, scores, calibration_ties=self.ties, ties=ties, calibration_groups=self.groups, groups=groups
        )
        return np.where(groups < 0, p, within)

    def silent(self, groups: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return a bool array (m,): true for each input whose class has no calibration inputs. An input of a class
        without calibration inputs has a p-value of 1, so it is never flagged."""
        if self.groups is None:
            return np.zeros(len(groups), dtype=bool)
        return (groups >= 0) & ~np.isin(groups, self.groups)

    def flags(self, p_values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each p-value is at most `fpr`, with the same tolerance for rounding as
        :func:`doldrum.stats.conformal.num_allowed`."""
        return p_values <= self.fpr * (1 + 1e-9)

    def limit(self, groups: NDArray[np.int64]) -> int:
        """The largest number of flags among m inputs that is consistent with the promised false-positive rate. `groups`
        (m,) has the group of each input."""
        names, sizes = np.unique(groups, return_counts=True)
        return self.limit_of(dict(zip(names.tolist(), sizes.tolist(), strict=True)))

    def limit_of(self, sizes: Mapping[int, int]) -> int:
        """The largest number of flags that is consistent with the promised false-positive rate, given the number of
        inputs per group."""
        if self.groups is None:
            return conformal.flags_limit(sum(sizes.values()), len(self), self.fpr)
        held = [len(self) if g < 0 else int((self.groups == g).sum()) for g in sizes]
        return conformal.flags_limit(list(sizes.values()), held, self.fpr)
