"""Rates of the labels that the model returns around clean inputs of a label, at each place, estimated from few inputs
of this label."""

# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["Rates", "RatesOf", "any_label", "sparse_tally", "tally"]

Array = NDArray[np.float64]
# Inputs' worth of what all inputs say of a place, of its strength, and of where labels go; of what a label has in common with the
# others at a place; and the least share of a label that never came.
_TO_STRENGTH, _TO_OTHERS, _TO_FAMILY, _TO_MEAN, _NEVER = 2.0, 3.0, 2.0, 4.0, 0.3
_SURE = 0.005  # no rate of staying is nearer to 0 or 1 before a label's own inputs are counted


class Rates:
    """Rates of the returned labels around clean inputs, for each label of the inputs. The rates of a label with few
    inputs are completed from the other labels.

    Inputs of different labels have two things in common at a place: how often they *stay* (keep their label), and which
    labels they change to. So a label's rates are shrunk towards the assumption that its inputs stay as often as other
    inputs, and otherwise change to the same labels as other inputs. The rates are not simply shrunk towards the rates
    of other labels, since half of the labels around a few shoes would then be shirts. The formulas use P, the share of
    inputs that stay:

    - the rate at a place is P(place), of all inputs, mixed with P(strength), which counts as much as 2 inputs;
    - the rate of a label at a strength is P(label, strength), mixed with P(strength), which counts as much as 3 inputs;
    - the logit of the rate of a label at a place is logit P(label, strength) + logit P(place) - logit P(strength).

    The labels that inputs change to are first counted in the whole family, where all draws of an input count as one
    input. The changes of all inputs at this place are then added, with a total weight of 2 inputs. (Because changes at
    one place are few, the changes of all inputs in the whole family are first added to them, also with a total weight
    of 2 inputs.) A label's rates at a place are computed from the label's counts at this place plus the estimate above,
    which counts as much as 4 inputs. So a label without any clean input has rates too.

    Parameters
    ----------
    places : int16 (N, places)
        Labels that the model returned; below 0 where it returned none.
    labels : int16 (N,)
    num_classes : int
    shapes : sequence of (strengths, draws)
        How many strengths and how many draws each family has, as (strengths, draws). The places of all families are concatenated.
    """

    def __init__(
        self,
        places: NDArray[np.int16],
        labels: NDArray[np.int16],
        num_classes: int,
        shapes: Sequence[tuple[int, int]],
    ) -> None:
        self.num_classes, self.places, self.labels = num_classes, places, labels
        draws = np.array([n for strengths, n in shapes for _ in range(strengths)])
        self._draws, self._firsts = draws, np.concatenate([[0], np.cumsum(draws)[:-1]]).astype(np.intp)
        self.strength = np.repeat(np.arange(len(draws)), draws)  # of each place
        self.sizes = np.array([strengths * n for strengths, n in shapes])
        self.family = np.repeat(np.arange(len(self.sizes)), self.sizes)  # of each place
        valid, stays = places >= 0, places == labels[:, None]
        counted, stayed = valid.sum(axis=0), stays.sum(axis=0)
        self.of_strength = (self.by_strength(stayed) + 0.5) / (self.by_strength(counted) + 1)
        self.of_place = (stayed + _TO_STRENGTH * self.of_strength[self.strength]) / (counted + _TO_STRENGTH)
        left = tally(np.where(stays, -1, places), np.ones((len(places), 1)), num_classes)[0]
        firsts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.intp)
        family = np.add.reduceat(left, firsts, axis=0) / self.sizes[:, None] + _NEVER / num_classes
        shares = family / family.sum(axis=1, keepdims=True)
        self.left = left + _NEVER / num_classes + _TO_FAMILY * shares[self.family]

    def of(self, label: int) -> Array:
        """The rates (places, K) of one label. No clean input needs to have this label."""
        place, each = np.indices((self.places.shape[1], self.num_classes)).reshape(2, -1)
        return RatesOf(self, np.array([label])).at(place, each).reshape(-1, self.num_classes)

    def by_strength(self, values: NDArray[np.float64] | NDArray[np.int64]) -> Array:
        """Means of values (..., places) over the draws of each strength."""
        return np.add.reduceat(values, self._firsts, axis=-1) / self._draws


class RatesOf:
    """The rates of several labels, computed only where they are needed. All rates of 1,000 labels together would take
    500 MB.

    Parameters
    ----------
    rates : Rates
    kinds : int64 (L,)
        The labels, in rising order.
    """

    def __init__(self, rates: Rates, kinds: NDArray[np.int64]) -> None:
        self._rates, self._kinds = rates, kinds
        mine = np.isin(rates.labels, kinds)
        places, labels = rates.places[mine], rates.labels[mine]
        column, one = np.searchsorted(kinds, labels)[:, None], np.ones((len(labels), 1))
        stays = places == labels[:, None]
        left = np.where(stays, -1, places)
        self._counts = sparse_tally(places, column, one, len(kinds), rates.num_classes)
        self._left = sparse_tally(left, column, one, len(kinds), rates.num_classes, rates.family)
        counted, away = (any_label(seen, column, one, len(kinds)).T for seen in (places, left))
        stay = rates.by_strength(counted - away) + _TO_OTHERS * rates.of_strength
        stay /= rates.by_strength(counted) + _TO_OTHERS
        odds = (_logit(stay) - _logit(rates.of_strength))[:, rates.strength] + _logit(rates.of_place)
        firsts = np.flatnonzero(np.diff(rates.family, prepend=-1))
        went = (np.add.reduceat(away, firsts, axis=1) / rates.sizes)[:, rates.family]
        # (places, L) each
        self._stay = (1 / (1 + np.exp(-odds))).T
        self._leave = ((1 - self._stay.T) / (went + _TO_FAMILY)).T
        self._others = (rates.left.sum(axis=1) - rates.left[:, kinds].T).T
        self._counted = counted.T

    def at(self, place: NDArray[np.int64], label: NDArray[np.int64]) -> Array:
        """Rates (M, L) of the returned labels `label` (M,) at the places `place` (M,), for each of the L labels of the
        inputs."""
        own, size = self._rates, self._rates.num_classes
        family = own.family[place]
        goes: Array = self._left[family * size + label].toarray() / own.sizes[family, None]
        goes += _TO_FAMILY * own.left[place, label][:, None] / self._others[place]
        goes *= self._leave[place]
        mean = np.where(label[:, None] == self._kinds, self._stay[place], goes)
        counts: Array = self._counts[place * size + label].toarray()
        return (counts + _TO_MEAN * mean) / (self._counted[place] + _TO_MEAN)


def sparse_tally(
    places: NDArray[np.int16],
    columns: NDArray[np.int64],
    weights: Array,
    width: int,
    num_classes: int,
    rows: NDArray[np.int64] | None = None,
) -> Any:
    """The counts of `tally` as a csr_array (places * K, width). The counts of a label at a place are in row place * K + label. A csr_array
    saves memory if few labels occur.

    Each input is counted in the columns that `columns` (N, P) lists, with the weights in `weights` (N, P). Places with
    the same number in `rows` (places,) are counted together.
    """
    if rows is None:
        rows = np.arange(places.shape[1], dtype=np.int64)
    at, column, weight, valid = np.broadcast_arrays(
        (rows * num_classes + places)[:, None], columns[:, :, None], weights[:, :, None], (places >= 0)[:, None]
    )
    took = valid & (weight > 0)
    found: Any = sparse.coo_array(
        (weight[took], (at[took], column[took])), shape=((int(rows.max()) + 1) * num_classes, width)
    )
    return found.tocsr()


def any_label(places: NDArray[np.int16], columns: NDArray[np.int64], weights: Array, width: int) -> Array:
    """Counts (places, width) as in `sparse_tally`, summed over all labels."""
    found: Array = sparse_tally(np.where(places >= 0, 0, -1), columns, weights, width, 1).toarray()
    return found


def tally(places: NDArray[np.int16], weights: Array, num_classes: int) -> Array:
    """Count how often each label occurs at each place: (R, places, K). Each input counts with its R weights (N, R).

    >>> tally(np.array([[0, 1], [0, -1]], dtype=np.int16), np.ones((2, 1)), 2).tolist()
    [[[2.0, 0.0], [0.0, 1.0]]]
    """
    valid = (places >= 0).ravel()
    at = np.arange(places.shape[1], dtype=np.int64)
    index = (places.astype(np.int64) + num_classes * at).ravel()[valid]
    size = places.shape[1] * num_classes
    found = np.empty((weights.shape[1], places.shape[1], num_classes))
    for out, w in zip(found, weights.T, strict=True):
        out[...] = np.bincount(index, np.repeat(w, places.shape[1])[valid], size).reshape(out.shape)
    return found


def _logit(p: Array) -> Array:
    p = np.clip(p, _SURE, 1 - _SURE)
    return np.log(p) - np.log1p(-p)
