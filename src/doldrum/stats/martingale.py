"""A conformal test martingale: is a stream still exchangeable with its calibration set? Looked at as often as one likes.

p-values against one fixed calibration set are no independent uniform numbers: given the set they are independent, but only nearly
uniform. A martingale that bets on uniformity therefore grows without end on clean streams. The remedy is exact and needs no more memory:
let n calibration scores cut the line into n + 1 cells. By exchangeability the next score is in each with probability

    (1 + scores of the stream that are in it) / (n + 1 + length of the stream)

whatever the distribution, since all ranks of a new score among all scores so far are equally likely (ties broken at random). Cells may be
put together into bins, which add up. So the bins' law is known (Pólya's urn), and bets at its fair odds are a martingale: by Ville's
inequality its capital ever reaches 1 / alpha with probability at most alpha. Bins of a subset of the cells, looked at where a score is
in one of these, follow the same law by themselves, independently of which scores these are.

Source: Vovk, Nouretdinov and Gammerman, Testing exchangeability on-line, ICML 2003 (ranks among all so far); Vovk et al., Conformal
testing in practice, 2021 (mixtures, changes); Ville 1939. The urn of fixed cells is a coarser view of the same ranks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.checks import is_list, is_object
from doldrum.errors import InputError
from doldrum.stats._special import betainc

__all__ = ["ConformalMartingale", "beta_bets", "even_cells", "spike_bets"]

# Half of the capital bets from the first score. The other half starts to bet at a random later time, so that a change after a long
# quiet time is seen: P(not before t) = (1 + t / 1000)^(-1/4).
_AT_ONCE, _SCALE, _POWER = 0.5, 1000.0, 0.25
_BLOCK = 4096


class ConformalMartingale:
    """Capital of a gambler who bets at fair odds on the bin of every next score.

    Parameters
    ----------
    cells : integers (B,), or (G, B)
        How many of the n + 1 cells each bin holds; a row for each group with a calibration set of its own. Bins of no cell are never hit.
    bets : floats (K, B), or (G, K, B), > 0
        What each gambler thinks that the bins' probabilities are multiplied by; any factor common to a row falls out.

    At score t gambler k's capital is multiplied by bets[k, bin] / sum_b p_t(b) bets[k, b], with p_t the urn's probabilities before it.
    The martingale is the mean of the gamblers' capital over k and over the time at which they begin.

    Raises InputError for arrays that don't fit.

    >>> m = ConformalMartingale([1, 1], [[1.0, 3.0]])
    >>> np.exp(m.update([1, 1])).round(2).tolist()  # half of it at 3 / 2, then at 3 / (1 / 3 + 2)
    [1.25, 1.46]
    >>> again = ConformalMartingale([1, 1], [[1.0, 3.0]])
    >>> again.restore(m.state())
    >>> again.count, bool(again.update([0])[0] == m.update([0])[0])
    (2, True)
    """

    def __init__(self, cells: ArrayLike, bets: ArrayLike) -> None:
        self._cells = np.atleast_2d(np.asarray(cells, dtype=float))
        given = np.asarray(bets, dtype=float)
        self._bets = given[None] if given.ndim == 2 else given
        groups, bins = self._cells.shape
        if self._bets.ndim != 3 or self._bets.shape[::2] != (groups, bins) or not self._bets.shape[1]:
            raise InputError(f"expected bets ({groups}, K, {bins}) for cells {self._cells.shape}, got {given.shape}")
        if not (self._cells >= 0).all() or not (self._cells.sum(axis=1) > 0).all() or not (self._bets > 0).all():
            raise InputError("expected cells >= 0, some in each group, and bets > 0, got others")
        self._counts = np.zeros_like(self._cells)
        self._capital = np.full(self._bets.shape[1], np.log(_AT_ONCE / self._bets.shape[1]))
        self.log_capital = 0.0
        """Natural logarithm of the capital now; the capital begins with 1."""
        self.count = 0
        """Scores seen."""

    def update(self, bins: ArrayLike, groups: ArrayLike | None = None) -> NDArray[np.float64]:
        """The logarithm of the capital after each of these scores (m,); alike, to rounding, however a stream is cut into calls.

        `bins` (m,) in [0, B); `groups` (m,) in [0, G) where there is more than one. Raises InputError for others.
        """
        at = np.asarray(bins, dtype=np.int64)
        of = np.zeros(len(at), np.int64) if groups is None else np.asarray(groups, dtype=np.int64)
        top = self._cells.shape
        if at.ndim != 1 or at.shape != of.shape or not ((at >= 0) & (at < top[1]) & (of >= 0) & (of < top[0])).all():
            raise InputError(
                f"expected bins in [0, {top[1]}) and groups in [0, {top[0]}), got others; one each a score"
            )
        if not (self._cells[of, at] > 0).all():
            raise InputError("expected bins that hold a cell, got an empty one; no score can be in it")
        blocks = range(0, len(at), _BLOCK)
        return np.concatenate([np.zeros(0), *(self._bet(at[i : i + _BLOCK], of[i : i + _BLOCK]) for i in blocks)])

    def _bet(self, bins: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
        won = np.empty((len(bins), len(self._capital)))
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            won[rows] = self._won(bins[rows], int(group))
        after = self.count + np.arange(1, len(bins) + 1)
        waiting = _log_waiting(after)
        begun = _log_waiting(after - 1)
        entering = begun + np.log(-np.expm1(waiting - begun)) - np.log(len(self._capital))
        # capital_t = won_t (capital_(t-1) + entering_t), solved for all t together
        total = np.cumsum(won, axis=0)
        paid_in = np.concatenate([self._capital[None], entering[:, None] - (total - won)])
        capital = np.logaddexp.accumulate(paid_in, axis=0)[1:] + total
        self._capital = capital[-1]
        self.count += len(bins)
        log_capital = np.logaddexp(np.logaddexp.reduce(capital, axis=1), waiting)
        self.log_capital = float(log_capital[-1])
        return log_capital

    def _won(self, bins: NDArray[np.int64], group: int) -> NDArray[np.float64]:
        """log(bets[k, bin] / sum_b p(b) bets[k, b]) of scores of one group: (m, K)."""
        hit = np.zeros((len(bins), self._cells.shape[1]))
        hit[np.arange(len(bins)), bins] = 1
        seen = np.cumsum(hit, axis=0)
        urn = self._cells[group] + self._counts[group] + seen - hit
        self._counts[group] += seen[-1]
        bets = self._bets[group]
        return np.log(bets.T[bins]) - np.log((urn @ bets.T) / urn.sum(axis=1, keepdims=True))

    def state(self) -> dict[str, Any]:
        """All that it has seen, JSON-able, for :meth:`restore`."""
        return {
            "count": self.count,
            "counts": self._counts.astype(np.int64).tolist(),
            "capital": self._capital.tolist(),
            "log_capital": self.log_capital,
        }

    def restore(self, state: Any) -> None:
        """Go on where another, of the same cells and bets, was when it gave its state.

        Raises InputError for what is no such state.
        """
        try:
            if not is_object(state) or not is_list(state["counts"]) or not is_list(state["capital"]):
                raise ValueError("no state")
            counts, capital = np.array(state["counts"], dtype=float), np.array(state["capital"], dtype=float)
            count, log_capital = state["count"], float(state["log_capital"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"expected the state of a martingale, got something else ({error})") from error
        if (
            counts.shape != self._counts.shape
            or capital.shape != self._capital.shape
            or not (counts >= 0).all()
            or counts.sum() != count
            or not np.isfinite([*capital, log_capital]).all()
        ):
            raise InputError("expected the state of a martingale with these cells and bets, got another's")
        self._counts, self._capital, self.count, self.log_capital = counts, capital, int(count), log_capital


def _log_waiting(t: NDArray[np.int64]) -> NDArray[np.float64]:
    """log of the share of the capital that hasn't begun to bet after t scores."""
    return np.log1p(-_AT_ONCE) - _POWER * np.log1p(t / _SCALE)


def even_cells(total: int, bins: int) -> NDArray[np.int64]:
    """`total` cells in a row, dealt to `bins` bins as evenly as can be.

    >>> even_cells(10, 4).tolist(), even_cells(2, 4).tolist()
    ([2, 3, 2, 3], [0, 1, 0, 1])
    """
    return np.diff(np.arange(bins + 1) * total // bins)


def beta_bets(cells: ArrayLike, shapes: ArrayLike = (0.25, 0.5, 1.0, 2.0, 4.0)) -> NDArray[np.float64]:
    """Bets (K, B) that ranks crowd somewhere: mean densities over the bins of Beta(a, b), a and b among `shapes`, but not a = b = 1.

    For drift: ranks lower or higher than they should be, in the middle or at the ends. None is below .05, so that no single score
    costs more than a factor of 20.

    >>> beta_bets([1, 1], (1.0, 2.0)).round(2).tolist()
    [[0.5, 1.5], [1.5, 0.5], [1.0, 1.0]]
    """
    edges = np.concatenate([[0.0], np.cumsum(np.asarray(cells, dtype=float))])
    edges /= edges[-1]
    a, b = (v.ravel() for v in np.meshgrid(shapes, shapes))
    keep = (a != 1) | (b != 1)
    mass = np.diff(betainc(a[keep, None], b[keep, None], edges), axis=1)
    width = np.diff(edges)
    return np.maximum(np.where(width > 0, mass / np.where(width > 0, width, 1), 1.0), 0.05)


def spike_bets(cells: ArrayLike, shares: ArrayLike = (0.003, 0.01, 0.03, 0.1, 0.3, 0.9)) -> NDArray[np.float64]:
    """Bets (K, B) that a share of the scores is in the first bins, all but the last: 1 - share + share * spike / p.

    The spike is in the first bin alone, over the first bins by their cells, or alike in each of those that hold a cell.

    >>> spike_bets([1, 1, 8], (0.5,)).round(2).tolist()
    [[5.5, 0.5, 0.5], [3.0, 3.0, 0.5], [3.0, 3.0, 0.5]]
    """
    held = np.asarray(cells, dtype=float)
    first = np.concatenate([held[:-1], [0.0]])
    alone = np.concatenate([[1.0], np.zeros(len(held) - 1)])
    spikes = np.stack([alone, first / first.sum(), (first > 0) / (first > 0).sum()])
    odds = spikes / np.where(held > 0, held / held.sum(), 1.0)
    share = np.asarray(shares, dtype=float)[:, None, None]
    return (1 - share + share * odds).reshape(-1, len(held))
