"""A conformal test martingale, which tests whether a stream is still exchangeable with its calibration set.

The test is valid at every number of scores, however often it is checked.

Conformal p-values that are all computed from one fixed calibration set are not independent uniform numbers. For a given
calibration set, the p-values are independent, but only nearly uniform. So gamblers who bet as if the p-values were
uniform can win without limit, even if the stream is clean. Therefore, this module uses bets on cells (see below), which
have no systematic gain on a clean stream. Bets on cells need no more memory than bets on p-values. The n calibration
scores divide the real line into n + 1 intervals, which are called cells. By exchangeability, the next score falls into
a given cell with the probability

    (1 + number of earlier scores of the stream in this cell) / (n + 1 + number of all earlier scores of the stream).

This formula holds for every distribution of the scores, because all ranks of a new score among all scores so far are
equally likely (ties are broken at random). Cells can be combined into bins. The probability of a bin is the sum of the
probabilities of its cells. The bins form a Pólya urn. The capital of a gambler who bets on the bins at fair odds is a
martingale. By Ville's inequality, a martingale that starts at 1 reaches 1 / alpha with probability at most alpha, over
calibration sets and streams. A test can also use only some of the cells, and ignore all scores in other cells. The used
cells alone form a Pólya urn too. This urn is independent of the times at which scores fall into the used cells.

Source: Vovk, Nouretdinov and Gammerman, Testing exchangeability on-line, ICML 2003 (ranks among all scores so far);
Vovk et al., Retrain or not retrain: conformal test martingales for change-point detection, 2021; Ville 1939. The urn
uses a coarser form of the same ranks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.checks import is_list, is_number, is_object
from doldrum.errors import InputError

__all__ = ["MOST_SCORES", "ConformalMartingale", "even_cells", "spike_bets", "tilt_bets"]

# Half of the capital bets from the first score. The other half begins at a random later time, so that a change after a long quiet time
# is seen: P(not before t) = (1 + t / 1000)^(-1/4).
_AT_ONCE, _SCALE, _POWER = 0.5, 1000.0, 0.25
_BLOCK = 4096  # scores whose bets are in memory at a time
_RUN = (
    32  # scores whose odds are multiplied before anything is added: their product is no number too large, nor too small
)
MOST_SCORES = 1 << 53
"""The largest number of scores that can be counted exactly."""
_MOST_WON = 750  # at one score: the logarithm of no float is larger
_MOST = 1e200  # what a gambler can have: it is certain long before


class ConformalMartingale:
    """A test martingale that starts at 1: the capital of gamblers who bet, at fair odds, that the next score will fall
    into certain bins.

    Parameters
    ----------
    cells : integers (B,), or (G, B)
        The number of cells in each bin. With G groups, each with its own calibration set, `cells` holds one row per
        group. No score falls into a bin without cells.
    bets : floats (K, B), or (G, K, B), > 0
        The factor by which each bin's probability changes if the gambler is right. Multiplying all factors of a row by
        one number changes nothing.
    limit : float > 1
        The capital that raises an alarm: 1 / alpha, where alpha is the probability of a false alarm.

    Two gamblers use each row of bets. The first gambler applies the bets to the urn's probabilities p_t, which become
    exact in a long stream. The second gambler applies the bets to the bins' probabilities p_0 in the calibration set,
    which the stream cannot change. At each score, a gambler's capital is multiplied by q(bin) / p_t(bin). Here q =
    bets * p / sum(bets * p), where p is p_t for the first gambler and p_0 for the second gambler. The martingale is the
    mean capital over all gamblers, and over the times at which they begin to bet. Raises InputError if `cells`, `bets`
    or `limit` has a wrong shape or value.

    >>> m = ConformalMartingale([1, 1], [[1.0, 3.0]], limit=100)
    >>> np.exp(m.update([1, 1])).round(2).tolist()  # half of it bets: at 3 / 2, then at 9 / 7 and 9 / 8
    [1.25, 1.4]
    >>> m.alarm  # nor will there be one: with one calibration score a stream can't differ for certain
    0
    """

    def __init__(self, cells: ArrayLike, bets: ArrayLike, *, limit: float) -> None:
        self._cells = np.atleast_2d(np.asarray(cells, dtype=float))
        given = np.asarray(bets, dtype=float)
        self._bets = given[None] if given.ndim == 2 else given
        groups, bins = self._cells.shape
        if self._bets.ndim != 3 or self._bets.shape[::2] != (groups, bins) or not self._bets.shape[1]:
            raise InputError(
                f"expected bets of shape ({groups}, K, {bins}) for cells of shape {self._cells.shape}, got shape {given.shape}"
            )
        if not (self._cells >= 0).all() or not (self._cells.sum(axis=1) > 0).all() or not (self._bets > 0).all():
            raise InputError(
                "expected numbers of cells from 0 up, a cell in each group, and bets > 0, got a negative number, a group without cells, or a bet that is not positive"
            )
        if not limit > 1:
            raise InputError(f"expected a limit above 1, got {limit!r}; 100 gives an error probability of 1%")
        count = 2 * self._bets.shape[1]
        self._limit = float(np.log(limit))
        self._first = self._bets * self._cells[:, None] / (self._bets @ self._cells[:, :, None])
        self._counts = np.zeros_like(self._cells)
        self._capital = np.full(count, _AT_ONCE / count)
        self._won, self._least, self._least_at = np.zeros(count), np.zeros(count), np.zeros(count, np.int64)
        self.log_capital = 0.0
        """The natural logarithm of the present capital."""
        self.peak = 0.0
        """The largest value that `log_capital` has had."""
        self.count = 0
        """The number of scores so far."""
        self.alarm = 0
        """The place (from 1) of the score at which the capital first reached the limit; 0 if the limit was never
        reached."""
        self.since = 0
        """After an alarm: the place at which the stream probably changed, where the best gambler's winnings were
        lowest.
        """

    def update(
        self, bins: ArrayLike, groups: ArrayLike | None = None, *, places: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Add m scores, and return the logarithm of the capital after each score (m,).

        Except for rounding, the result does not depend on how a stream is split into calls. `bins` (m,) are in [0, B).
        `groups` (m,) in [0, G) are needed if there is more than one group. `places` (m,) holds a number for each score,
        and the numbers must increase. The attributes `alarm` and `since` are set to numbers from `places`. By default,
        the place of a score is its number in the stream, counted from 1. Raises InputError for arrays of different
        lengths, a bin or group out of range, or a bin without cells.
        """
        at = np.asarray(bins, dtype=np.int64)
        of = np.zeros(len(at), np.int64) if groups is None else np.asarray(groups, dtype=np.int64)
        called = self.count + 1 + np.arange(len(at)) if places is None else np.asarray(places, dtype=np.int64)
        top = self._cells.shape
        if at.ndim != 1 or at.shape != of.shape or at.shape != called.shape:
            raise InputError(
                f"expected one bin, group and place per score, got arrays of shape {at.shape}, {of.shape} and {called.shape}"
            )
        if not ((at >= 0) & (at < top[1]) & (of >= 0) & (of < top[0])).all() or not (self._cells[of, at] > 0).all():
            raise InputError(
                f"expected bin numbers below {top[1]} and group numbers below {top[0]}, got a number outside of this range, or a bin without cells"
            )
        blocks = [slice(i, i + _BLOCK) for i in range(0, len(at), _BLOCK)]
        return np.concatenate([np.zeros(0), *(self._bet(at[b], of[b], called[b]) for b in blocks)])

    def _bet(
        self, bins: NDArray[np.int64], groups: NDArray[np.int64], places: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        if len(self._cells) == 1:
            odds = self._odds(bins, 0)
        else:
            odds = np.empty((len(bins), len(self._capital)))
            for group in np.unique(groups):
                rows = np.flatnonzero(groups == group)
                odds[rows] = self._odds(bins[rows], int(group))
        waiting = _waiting(self.count + np.arange(len(bins) + 1))
        capital = _grown(self._capital, odds, (waiting[:-1] - waiting[1:]) / len(self._capital))
        path = np.log(capital.sum(axis=1) + waiting[1:])
        if not self.alarm:
            over = np.flatnonzero(path >= self._limit)
            end = int(over[0]) + 1 if len(over) else len(path)
            won = self._won + np.cumsum(np.log(odds[:end]), axis=0)
            self._note_least(won, places)
            self._won = won[-1]
            if len(over):
                self.alarm = int(places[end - 1])
                self.since = int(self._least_at[np.argmax(capital[end - 1])])
        self._capital, self.log_capital = capital[-1], float(path[-1])
        self.peak = max(self.peak, float(path.max()))
        self.count += len(bins)
        return path

    def _odds(self, bins: NDArray[np.int64], group: int) -> NDArray[np.float64]:
        """The factors q(bin) / p_t(bin) for a group's scores, as an array (m, 2 K). The first K columns are for the
        gamblers that use p_t, and the other K columns are for the gamblers that use p_0."""
        urn = self._cells[group] + self._counts[group]
        if len(bins) > 1:
            hit = np.zeros((len(bins), len(urn)))
            hit[np.arange(len(bins)), bins] = 1
            urn = urn + np.cumsum(hit, axis=0) - hit
        urn = np.atleast_2d(urn / urn.sum(axis=-1, keepdims=True))
        self._counts[group] += np.bincount(bins, minlength=self._cells.shape[1])
        moving = self._bets[group].T[bins] / (urn @ self._bets[group].T)
        fixed = self._first[group].T[bins] / urn[np.arange(len(bins)), bins][:, None]
        return np.concatenate([moving, fixed], axis=1)

    def _note_least(self, won: NDArray[np.float64], places: NDArray[np.int64]) -> None:
        """For each gambler, update the last place at which the gambler's total winnings were lowest."""
        low = won.min(axis=0)
        last = len(won) - 1 - np.argmin(won[::-1], axis=0)
        lower = low <= self._least
        self._least = np.where(lower, low, self._least)
        self._least_at = np.where(lower, places[last], self._least_at)

    def state(self) -> dict[str, Any]:
        """The martingale's whole state as values that JSON can hold, for :meth:`restore`."""
        kept = {name: getattr(self, f"_{name}").tolist() for name in _FLOATS}
        return {**kept, **{name: getattr(self, name) for name in (*_WHOLE, *_LOGS)}}

    def restore(self, state: Any, *, last: int | None = None) -> None:
        """Continue from the state of another martingale with the same cells and bets.

        If `update` was called with `places`, pass the largest of these places as `last`. A state may come from a file,
        so everything that later bets need is checked. Raises InputError for a state that is not valid.
        """
        if not is_object(state):
            raise InputError("expected the state of a martingale, got something else")
        arrays = {name: _numbers(state.get(name), getattr(self, f"_{name}").shape) for name in _FLOATS}
        whole: dict[str, Any] = {name: state.get(name) for name in _WHOLE}
        logs: dict[str, Any] = {name: state.get(name) for name in _LOGS}
        if (
            not all(type(value) is int and 0 <= value <= MOST_SCORES for value in whole.values())
            or not all(type(value) in (int, float) and is_number(value) for value in logs.values())
            or not self._can_be(arrays, whole, logs, whole["count"] if last is None else last)
        ):
            raise InputError(
                "expected the state of a martingale with these cells and bets, got the state of another martingale"
            )
        for name, array in arrays.items():
            setattr(self, f"_{name}", array.astype(getattr(self, f"_{name}").dtype))
        for name, value in {**whole, **{name: float(value) for name, value in logs.items()}}.items():
            setattr(self, name, value)

    def _can_be(
        self, arrays: dict[str, NDArray[np.float64]], whole: dict[str, int], logs: dict[str, float], last: int
    ) -> bool:
        """Whether calls of `update` can lead to the numbers in a saved state."""
        counts, capital, won, least, places = (arrays[name] for name in _FLOATS)
        count, alarm, since = (whole[name] for name in _WHOLE)
        waiting = float(_waiting(np.array([count]))[0])
        return (
            bool(
                ((counts >= 0) & (counts <= count)).all()
                and (counts == np.rint(counts)).all()
                and counts.sum() == count
            )
            and not (counts[self._cells == 0] > 0).any()
            and bool(((capital >= 0) & (capital <= _MOST)).all())
            and bool(((least <= 0) & (least <= won) & (np.maximum(won, -least) <= _MOST_WON * count)).all())
            and bool(((places >= 0) & (places <= last) & (places == np.rint(places))).all())
            and since <= alarm <= last
            and count <= last
            and bool(np.isclose(logs["log_capital"], np.log(capital.sum() + waiting), atol=1e-6))
            and logs["peak"] >= max(0.0, logs["log_capital"])
            and (alarm > 0) == (logs["peak"] >= self._limit)
        )


_FLOATS = ("counts", "capital", "won", "least", "least_at")
_WHOLE = ("count", "alarm", "since")
_LOGS = ("log_capital", "peak")


def _numbers(value: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Convert JSON lists of finite numbers to an array of the given shape."""
    rows = value if len(shape) == 2 else [value]
    wide = shape[-1]
    fits = (
        is_list(rows)
        and len(rows) == (shape[0] if len(shape) == 2 else 1)
        and all(is_list(row) and len(row) == wide for row in rows)
        and all(type(number) in (int, float) and is_number(number) for row in rows for number in row)
    )
    if not fits:
        raise InputError(
            "expected the state of a martingale with these cells and bets, got the state of another martingale"
        )
    return np.array(rows, dtype=float).reshape(shape)


def _waiting(t: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of the starting capital that is not yet used for bets after t scores."""
    return (1 - _AT_ONCE) * (1 + t / _SCALE) ** -_POWER


def _grown(
    capital: NDArray[np.float64], odds: NDArray[np.float64], entering: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The capital of each of K gamblers after each of m scores, as an array (m, K); the values are limited to _MOST.

    After score t, capital_t = odds_t (capital_(t-1) + entering_t), where entering_t is the capital with which a gambler
    begins at score t. For a block of scores t = 1, 2, ..., this gives capital_t = product_t (capital_0 + sum of
    entering_s / product_(s-1)), with the sum over s from 1 to t. Here product_t is the product of the odds of the first
    t scores, and capital_0 is the capital before the block.
    """
    m, k = odds.shape
    run = min(_RUN, m)
    missing = -m % run
    odds = np.concatenate([odds, np.ones((missing, k))]).reshape(-1, run, k)
    paid_in = np.concatenate([entering, np.zeros(missing)]).reshape(-1, run, 1)
    product = np.cumprod(odds, axis=1)
    paid = np.cumsum(paid_in * odds / product, axis=1)
    begin = np.empty((len(odds), k))
    with np.errstate(over="ignore"):
        for i in range(len(odds)):
            begin[i] = capital
            capital = np.minimum(product[i, -1] * (capital + paid[i, -1]), _MOST)
        return np.minimum(product * (begin[:, None] + paid), _MOST).reshape(-1, k)[:m]


def even_cells(total: int, bins: int) -> NDArray[np.int64]:
    """Divide `total` cells into `bins` bins of nearly equal size, and return the number of cells in each bin.

    >>> even_cells(10, 4).tolist(), even_cells(2, 4).tolist()
    ([2, 3, 2, 3], [0, 1, 0, 1])
    """
    return np.diff(np.arange(bins + 1) * total // bins)


def tilt_bets(cells: ArrayLike) -> NDArray[np.float64]:
    """Bets (K, B) that the scores drift. Each bet wins if low, high, middle or extreme scores become more frequent.

    A bet is exp(a v + b (3 v^2 - 1) / 2), where v in (-1, 1) is the middle of a bin. The factor a is 0, 1/4, 1/2, 1 or
    2, and the factor b is 0, 1/4, 1/2 or 1. Both a and b can be positive or negative, and at most one of a and b is 0.
    So one of the bets fits small changes of the frequencies (a few percent) well, and another bet fits large changes.

    >>> tilt_bets([1, 1])[:2].round(2).tolist(), len(tilt_bets([1, 1]))
    ([[1.13, 0.88], [0.88, 1.13]], 62)
    """
    held = np.asarray(cells, dtype=float)
    v = 2 * (np.cumsum(held) - held / 2) / held.sum() - 1
    ends = [a * s for a in (0.25, 0.5, 1.0, 2.0) for s in (-1, 1)]
    middles = [b * s for b in (0.25, 0.5, 1.0) for s in (-1, 1)]
    a, b = (x.ravel()[:, None] for x in np.meshgrid([0.0, *ends], [0.0, *middles]))
    return np.exp(a * v + b * (3 * v**2 - 1) / 2)[1:]


def spike_bets(cells: ArrayLike, shares: ArrayLike = (0.003, 0.01, 0.03, 0.1, 0.3, 0.9)) -> NDArray[np.float64]:
    """Bets (K, B) that win if unusually many scores fall into the first bins. A bet is 1 - share + share * spike / p.

    Each bet assumes that a share `share` of the scores follows the distribution `spike` over the bins. The other scores
    follow p, the bins' probabilities in the calibration set. The first bins are all bins except the last one. Three
    distributions `spike` are used. The first distribution covers only the first bin. The second distribution covers the
    first bins, in proportion to their numbers of cells. The third distribution covers all first bins that contain a
    cell, with equal probabilities.

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
