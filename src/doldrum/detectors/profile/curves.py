"""Curves that say how often a trigger decides the label, for each strength of a perturbation, and the likelihood of draws
under each curve."""

# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["Curves", "add_up", "log_sum", "survivals"]

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


def add_up(parts: Array) -> Array:
    """The sum over the first axis, one term after the other.

    NumPy's own sum adds in another order if all other axes have length 1. Then the score of an image alone would differ
    in its last digits from its score in a batch.
    """
    total: Array = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total


def log_sum(logs: Array, *, axis: int) -> Array:
    """log sum exp of real numbers of which at least one is finite. SciPy's logsumexp is not used: its checks are not
    needed here, and would take half of the time for computing a score."""
    most = logs.max(axis=axis, keepdims=True)
    found = logs - most
    np.exp(found, out=found)
    return np.log(add_up(found) if axis == 0 else found.sum(axis=axis)) + most.squeeze(axis)


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
        self._spans = list(zip(starts, [*starts[1:], first], strict=True))
        count = len(starts)
        terms: list[list[int]] = []  # of each curve: its groups, each with the curve's q at this strength
        for family, its_curves in zip(groups, curves, strict=True):
            for curve in its_curves:
                pairs = zip(curve, family, strict=True)
                terms.append([self._q.index(q) * count + group for q, mine in pairs for group in mine])
        lengths = [len(its_terms) for its_terms in terms]
        at = (np.repeat(np.arange(len(terms)), lengths), np.concatenate(terms))
        # Adds up the groups of each curve. The last row, which is empty, stands for no curve.
        self._sums: Any = sparse.csr_array((np.ones(sum(lengths)), at), shape=(len(terms) + 1, count * len(self._q)))
        ends = np.cumsum([len(c) for c in curves])
        # In each family: the trigger never decides the label; and the outliers' curve.
        self._never = np.array(
            [e - len(c) + np.flatnonzero(~c.any(axis=1))[0] for e, c in zip(ends, curves, strict=True)]
        )
        self._outliers = ends - 1
        most = max(len(c) for c in curves) - 1
        self._of_family = np.full((most, len(shapes)), -1)
        for family, (end, rows) in enumerate(zip(ends, curves, strict=True)):
            self._of_family[: len(rows) - 1, family] = np.arange(end - len(rows), end - 1)
        self._log_counts = np.log([len(c) - 1.0 for c in curves])[:, None, None]

    def likelihoods(self, seen: Array, hit: NDArray[np.bool_], lost: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
        """Three arrays (families, N, R) of log likelihoods of the draws: without a trigger, with a trigger (averaged
        over all curves), and for an outlier.

        `seen` (N, draws, R) holds the probability of each returned label under each component. `hit` (N, draws) is true
        for draws that returned the input's own label. `lost` (N, draws) is true for draws without a label. Draws
        without a label are ignored, and have a value of 1 in `seen`.

        Each sum and product has its terms in the same order for any N and R, so it does not depend on the other inputs.
        """
        sure = (hit | lost)[:, :, None]
        logs = np.empty((len(self._q), len(self._spans), len(seen), seen.shape[2]))
        q = np.array(self._q)[:, None, None, None]
        mixed = (1 - q) * seen
        mixed += q * sure
        for number, (start, end) in enumerate(self._spans):
            np.multiply.reduce(mixed[:, :, start:end], axis=2, out=logs[:, number])
        np.log(logs, out=logs)
        found = (self._sums @ logs.reshape(self._sums.shape[1], -1)).reshape(-1, *logs.shape[2:])
        found[-1] = -np.inf
        bad = log_sum(found[self._of_family], axis=0) - self._log_counts
        return found[self._never], bad, found[self._outliers]
