"""Rates of labels: how often the model returns each label for perturbed copies of clean inputs. The rates at a place
(one perturbation) are estimated for each label of the clean inputs, even if few inputs have this label."""

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
    """For clean inputs of each label, the rates at which the model returns each label for perturbed copies. For a label
    with few inputs, the rates are estimated partly from the inputs of the other labels.

    At a place, inputs of different labels are assumed to be similar in two ways: how often they *stay* (keep their
    label), and which labels they change to. If a label has few inputs, its rates are shrunk towards an estimate that
    also uses the inputs of other labels. Shrinking directly towards the rates of other labels would be wrong: shirts
    mostly keep the label shirt, but perturbed shoes seldom get this label. In the formulas below, P is the share of
    inputs that keep their label: P(place) at a place, P(strength) at a strength, and P(label, strength) for the inputs
    of one label at a strength.

    - For all inputs at a place, P(place) is averaged with P(strength), which has the weight of 2 inputs.
    - For the inputs of one label at a strength, P(label, strength) is averaged with P(strength), which has the weight
      of 3 inputs.
    - For the inputs of one label at a place, the logit of the share that stays is logit P(label, strength) + logit
      P(place) - logit P(strength).

    If inputs of a label change their label, the new labels are first counted over the whole family. All draws of one
    input together count as one input. Then the label changes of all inputs at the same place are added, with a total
    weight of 2 inputs. (Since few inputs change their label at a single place, the label changes in the whole family
    are added too, with a total weight of 2 inputs.) These counts give an estimate of the rates. Last, the estimate of
    the rates is averaged with the label's own counts at the place. In this average, the estimate has the weight of 4
    inputs. So a label without any clean input has rates too.

    Parameters
    ----------
    places : int16 (N, places)
        The label that the model returned at each place. A value below 0 means that the model returned no label.
    labels : int16 (N,)
    num_classes : int
    shapes : sequence of (strengths, draws)
        For each family, the number of strengths and the number of draws per strength. The columns of `places` belong to
        the families in the order of `shapes`.
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
        """The rates (places, K) for inputs of one label. The label may be one that no clean input has."""
        place, each = np.indices((self.places.shape[1], self.num_classes)).reshape(2, -1)
        return RatesOf(self, np.array([label])).at(place, each).reshape(-1, self.num_classes)

    def by_strength(self, values: NDArray[np.float64] | NDArray[np.int64]) -> Array:
        """Average values (..., places) over the draws of each strength of each family."""
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
        stay = 1 / (1 + np.exp(-odds))
        others = rates.left.sum(axis=1) - rates.left[:, kinds].T
        # (places, L) each; a place's numbers lie side by side in memory, since `at` reads them place by place
        self._stay, self._leave, self._others, self._counted = (
            np.ascontiguousarray(each.T) for each in (stay, (1 - stay) / (went + _TO_FAMILY), others, counted)
        )

    def at(self, place: NDArray[np.int64], label: NDArray[np.int64]) -> Array:
        """Return an array (M, L) of rates. Entry (m, l) says how often the model returns the label `label[m]` at the
        place `place[m]`, for clean inputs of the l-th label."""
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
    """Count labels as `tally` does, but return a sparse csr_array (places * K, width). The counts of a label at a place
    are in row place * K + label. A csr_array saves memory if few labels occur.

    For each place p, input n is counted in column `columns[n, p]` with the weight `weights[n, p]`. If two places have
    the same number in `rows` (places,), the counts of these two places are added.
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
    """For each place, count the inputs for which the model returned a label. Columns and weights are used as in
    `sparse_tally`, and the result has the shape (places, width)."""
    found: Array = sparse_tally(np.where(places >= 0, 0, -1), columns, weights, width, 1).toarray()
    return found


def tally(places: NDArray[np.int16], weights: Array, num_classes: int) -> Array:
    """Count how often each of the K labels occurs at each place, for R sets of weights. `weights` (N, R) holds the R
    weights of each input, and the result is (R, places, K).

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
