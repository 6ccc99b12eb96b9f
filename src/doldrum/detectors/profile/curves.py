"""Curves that say how often a trigger decides the label, for each strength of a perturbation, and the likelihood of draws
under each curve."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["Curves", "log_sum", "survivals"]

Array = NDArray[np.float64]
_KEEP = 0.97  # chance that a trigger which survives a strength decides a draw's label
_OUTLIER_KEEPS = 0.05  # chance that an outlier keeps its label, at most
_AT_ONCE = 12  # chances multiplied before a log is taken: of 1e-16 each, still 1e-192


@cache
def survivals(conditions: int) -> Array:
    """Q curves (Q, C): the probability that a trigger decides the label at each of C strengths, the weakest first. The
    probabilities are at most .97 and at least 0, and no curve rises.

    The rows are these curves, for every strength number i:

    - the trigger never decides the label, at no strength;
    - the trigger almost always decides the label up to the i-th strength, and never at higher strengths;
    - the trigger almost always decides the label up to the i-th strength, and in half of the draws at the next
      strength;
    - the trigger decides the label in half of the draws at the first strength, and never at higher strengths;
    - the trigger decides the label in .7 of the draws at all strengths.
    """
    rows = [[0.0] * conditions, [0.5] + [0.0] * (conditions - 1), [0.7] * conditions]
    for i in range(1, conditions + 1):
        rows.append([_KEEP] * i + [0.0] * (conditions - i))
        if i < conditions:
            rows.append([_KEEP] * i + [0.5] + [0.0] * (conditions - i - 1))
    made = np.unique(np.array(rows), axis=0)
    made.flags.writeable = False  # it is handed out again
    return made


def log_sum(logs: Array, *, axis: int) -> Array:
    """log sum exp of real numbers of which at least one is finite. SciPy's logsumexp is not used: its checks are not
    needed here, and would take half of the time for computing a score."""
    most = logs.max(axis=axis, keepdims=True)
    return np.log(np.exp(logs - most).sum(axis=axis)) + most.squeeze(axis)


class Curves:
    """For each family of perturbations, the curves of `survivals`, and the likelihood of an input's draws under each
    curve.

    With probability q, which depends on the strength of the perturbation, the trigger makes a draw return the input's
    own label. With probability 1 - q, the draw's label follows the component's rates. There are few values of q and few
    strengths. So for each q, the log likelihood of the draws at each strength is computed only once. The log likelihood
    under a curve is a sum over the strengths, each with the curve's q.

    Parameters
    ----------
    shapes : sequence of (strengths, draws)
        For each family, the number of strengths and the number of draws per strength. In the arrays of `likelihoods`,
        an input's draws of the first family come first, then its draws of the second family, and so on.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]]) -> None:
        curves = [np.vstack([survivals(c), np.full((1, c), _OUTLIER_KEEPS)]) for c, _ in shapes]
        self._q: list[float] = np.unique(np.concatenate([[0.0], *(c.ravel() for c in curves)])).tolist()
        # Groups of draws of one strength; of each strength of a family those that are its draws
        starts: list[int] = []
        groups: list[list[list[int]]] = []
        first = 0
        for strengths, n in shapes:
            groups.append([])
            for _ in range(strengths):
                mine = range(first, first + n, _AT_ONCE)
                groups[-1].append(list(range(len(starts), len(starts) + len(mine))))
                starts += mine
                first += n
        self.width = len(self._q) * first
        """How many numbers are in memory at once for one input and one component."""
        self._groups, self._count = np.array(starts), len(starts)
        self._families = np.array([family[0][0] for family in groups])
        terms: list[int] = []
        firsts: list[int] = []
        for family, rows in zip(groups, curves, strict=True):
            for row in rows:
                firsts.append(len(terms))
                terms += [self._q.index(q) * self._count + g for q, mine in zip(row, family, strict=True) for g in mine]
        self._terms, self._firsts = np.array(terms), np.array(firsts)
        ends = np.cumsum([len(c) for c in curves])
        self._outliers = ends - 1
        most = max(len(c) for c in curves) - 1
        self._of_family = np.full((most, len(shapes)), -1)
        for family, (end, rows) in enumerate(zip(ends, curves, strict=True)):
            self._of_family[: len(rows) - 1, family] = np.arange(end - len(rows), end - 1)
        self._log_counts = np.log([len(c) - 1.0 for c in curves])[:, None, None]

    def likelihoods(self, seen: Array, hit: NDArray[np.bool_], lost: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
        """Three arrays (families, N, R) of log likelihoods of the draws: without a trigger, with a trigger (averaged
        over all curves), and for an outlier.

        `seen` (N, R, draws) holds the probability of each returned label under each component. `hit` (N, 1, draws) is
        true for draws that returned the input's own label. `lost` (N, 1, draws) is true for draws without a label.
        Draws without a label are ignored, and have a value of 1 in `seen`.
        """
        sure = hit | lost
        each = [np.log(np.multiply.reduceat((1 - q) * seen + q * sure, self._groups, axis=2)) for q in self._q]
        clean = np.add.reduceat(each[0], self._families, axis=2).transpose(2, 0, 1)
        found = np.add.reduceat(np.concatenate(each, axis=2)[..., self._terms], self._firsts, axis=2).transpose(2, 0, 1)
        curves = np.concatenate([found, np.full((1, *found.shape[1:]), -np.inf)])[self._of_family]
        return clean, log_sum(curves, axis=0) - self._log_counts, found[self._outliers]
