"""What labels come back around clean inputs of a label, at each place, where few inputs of that label are there to say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rates", "tally"]

Array = NDArray[np.float64]
# Inputs' worth of what all inputs say of a place, of its strength, and of where labels go; of what a label has in common with the
# others at a place; and the least share of a label that never came.
_TO_STRENGTH, _TO_OTHERS, _TO_FAMILY, _TO_MEAN, _NEVER = 2.0, 3.0, 2.0, 4.0, 0.3
_SURE = 0.005  # no rate of staying is nearer to 0 or 1 before a label's own inputs are counted


class Rates:
    """Rates of the labels around clean inputs, label by label; each label's own inputs, and as much as they lack of what the others say.

    Inputs of different labels have in common how often they *stay* (keep their label) at a place, and which labels those that leave go to.
    So a label's rates are shrunk towards "stays as often as others do there, else goes where others go", not towards the labels
    of others: half of what comes back around a few shoes is not shirts. With P the share of inputs that stay,

    - at a place: P(place), of all inputs, with 2 inputs' worth of P(strength);
    - of a label at a strength: P(label, strength), with 3 inputs' worth of P(strength);
    - of a label at a place: logit P(label, strength) + logit P(place) - logit P(strength).

    Those that leave go to the labels that the label's own inputs went to in the family, an input's draws counted as one, with 2 inputs' worth of
    where all inputs go at the place (with 2 of where they go in the family). A label's rates at a place are its counts there with 4
    inputs' worth of that. So a label without any clean input has rates too.

    Parameters
    ----------
    places : int16 (N, places)
        Labels that came back; below 0 where none did.
    labels : int16 (N,)
    num_classes : int
    shapes : sequence of (strengths, draws)
        Of the families, whose places are side by side.
    """

    def __init__(
        self,
        places: NDArray[np.int16],
        labels: NDArray[np.int16],
        num_classes: int,
        shapes: Sequence[tuple[int, int]],
    ) -> None:
        self.num_classes = num_classes
        draws = np.array([n for strengths, n in shapes for _ in range(strengths)])
        self._firsts = np.concatenate([[0], np.cumsum(draws)[:-1]]).astype(np.intp)  # of each strength
        self._strength = np.repeat(np.arange(len(draws)), draws)  # of each place
        sizes = [strengths * n for strengths, n in shapes]
        self._family_firsts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
        self._family = np.repeat(np.arange(len(sizes)), sizes)
        self._draws, self._sizes = draws, np.array(sizes)[:, None]
        valid, stays = places >= 0, places == labels[:, None]
        counted, stayed = valid.sum(axis=0), stays.sum(axis=0)
        of_strength = (self._by_strength(stayed) + 0.5) / (self._by_strength(counted) + 1)
        of_place = (stayed + _TO_STRENGTH * of_strength[self._strength]) / (counted + _TO_STRENGTH)
        self._of_strength, self._of_place = of_strength, _logit(of_place)
        left = tally(np.where(stays, -1, places), np.ones((len(places), 1)), num_classes)[0]
        family = self._by_family(left) + _NEVER / num_classes
        shares = family / family.sum(axis=1, keepdims=True)
        self._left = left + _NEVER / num_classes + _TO_FAMILY * shares[self._family]

    def of(self, label: int, own: NDArray[np.int16]) -> Array:
        """(places, K): the label's rates, `own` (n, places) being what came back around its inputs."""
        counts = tally(own, np.ones((len(own), 1)), self.num_classes)[0]
        counted = counts.sum(axis=1)
        stays = self._by_strength(counts[:, label]) + _TO_OTHERS * self._of_strength
        stays = stays / (self._by_strength(counted) + _TO_OTHERS)
        odds = _logit(stays)[self._strength] + self._of_place - _logit(self._of_strength)[self._strength]
        stay = 1 / (1 + np.exp(-odds))
        left, others = counts.copy(), self._left.copy()
        left[:, label] = others[:, label] = 0
        others /= others.sum(axis=1, keepdims=True)
        goes = self._by_family(left)[self._family] + _TO_FAMILY * others
        goes *= ((1 - stay) / goes.sum(axis=1))[:, None]
        goes[:, label] = stay
        return (counts + _TO_MEAN * goes) / (counted + _TO_MEAN)[:, None]

    def _by_strength(self, values: NDArray[np.float64] | NDArray[np.int64]) -> Array:
        """Means over the draws of each strength."""
        return np.add.reduceat(values, self._firsts) / self._draws

    def _by_family(self, values: Array) -> Array:
        """(places, K) -> (families, K): means over the places of each family."""
        return np.add.reduceat(values, self._family_firsts, axis=0) / self._sizes


def tally(places: NDArray[np.int16], weights: Array, num_classes: int) -> Array:
    """(R, places, K): how often each label is at each place, an input counted with its R weights (N, R).

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
