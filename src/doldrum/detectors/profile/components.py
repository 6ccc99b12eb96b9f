"""The mixture components of all labels. A component gives, for each place (draw of a perturbation), the probability
that the model returns each label."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors.profile.curves import log_sum
from doldrum.detectors.profile.nearness import log_nearness
from doldrum.detectors.profile.rates import Rates, RatesOf, any_label, sparse_tally

__all__ = ["TO_LABEL", "Components"]

Array = NDArray[np.float64]
TO_LABEL = 4.0
"""When a label's rates are added to the rates of the label's components, they count as this many inputs."""
_KEPT = 1 << 22  # chances that are worked out beforehand at most


class Components:
    """R mixture components. Component r belongs to a label, and is fitted on some of the clean inputs with this label.
    The rate p_r(place, label) is the share of the inputs of component r for which the model returns `label` at `place`.

    The share p_r also includes the rates of all clean inputs with the component's label (`rates.Rates`), with the
    weight of `TO_LABEL` inputs.

    Parameters
    ----------
    rates : Rates
        The rates of the labels that the model returns for perturbed clean inputs.
    shares : float64 (N, P)
        The share of each clean input that belongs to each of the P components of its label. The shares of an input sum
        to 1.
    """

    def __init__(self, rates: Rates, shares: Array) -> None:
        places, labels, self._num_classes = rates.places, rates.labels, rates.num_classes
        self._seen, row, count = np.unique(labels, return_inverse=True, return_counts=True)
        self._number = np.full(
            rates.num_classes, len(self._seen)
        )  # of each label among those seen; one more stands for any other
        self._number[self._seen] = np.arange(len(self._seen))
        sums = np.zeros((len(self._seen), shares.shape[1]))
        np.add.at(sums, row, shares)
        used = sums > 0
        parts = used.sum(axis=1)
        self._row = np.repeat(np.arange(len(parts)), parts)
        self.kinds = self._seen[self._row]
        """The label to which each of the R components belongs (R,)."""
        weights = (sums[used] + 1) / (count + parts)[self._row] * (count / len(labels))[self._row]
        self._log_weights = np.log(weights)
        self._log_nearness = log_nearness(places, labels, self._num_classes)[:, self._row]
        columns = (used.cumsum() - 1).reshape(used.shape)[row]
        self._tally = sparse_tally(places, columns, shares, len(self.kinds), self._num_classes)
        self._total = any_label(places, columns, shares, len(self.kinds)) + TO_LABEL
        self._rates = RatesOf(rates, self._seen.astype(np.int64))
        self._table: Array | None = None
        if places.shape[1] * self._num_classes * len(self.kinds) <= _KEPT:
            place, label = np.indices((places.shape[1], self._num_classes)).reshape(2, -1)
            self._table = self._at(place, label)

    def read(self, places: NDArray[np.int16]) -> Array:
        """The probability (N, places, R) of each label that the model returned, under each of the R components. A
        probability is 1 where the model returned no label."""
        label = np.maximum(places, 0).astype(np.int64)
        place = np.broadcast_to(np.arange(places.shape[1], dtype=np.int64), places.shape)
        if self._table is None:
            found = self._at(place.ravel(), label.ravel()).reshape(*places.shape, -1)
        else:
            found = self._table[place * self._num_classes + label]
        return np.where((places >= 0)[:, :, None], found, 1.0)

    def weights(self, labels: NDArray[np.int16]) -> tuple[Array, Array, Array, Array, NDArray[np.bool_]]:
        """The log weights of the R components for N inputs with the given labels. Five arrays are returned. The first
        array (N, R) has the log weights of the components with the input's label, and the second array (N, R) has the
        log weights of all other components. The third array (N, R) has the weights of the second, each multiplied by
        the nearness of the component's label to the input's (`nearness.log_nearness`). The fourth array (3, N) has the
        logs of the three sums of weights. The fifth array (N,) says whether the input's label has no component."""
        mine, other, near, totals, unseen = self._weights
        at = self._number[labels]
        return mine[at], other[at], near[at], totals[:, at], unseen[at]

    @cached_property
    def _weights(self) -> tuple[Array, Array, Array, Array, NDArray[np.bool_]]:
        """The arrays whose rows `weights` selects: one row for each label of the clean inputs, and a last row for all
        other labels."""
        same = self.kinds[None, :] == np.append(self._seen, -1)[:, None]
        alone, unseen = ~same.all(axis=1), ~same.any(axis=1)
        other = np.where(same & alone[:, None], -np.inf, self._log_weights)
        mine = np.where(same | unseen[:, None], self._log_weights, -np.inf)
        near = other.copy()
        near[:-1] += self._log_nearness
        return mine, other, near, log_sum(np.stack([mine, other, near]), axis=2), unseen

    def _at(self, place: NDArray[np.int64], label: NDArray[np.int64]) -> Array:
        """The probability of label `label[m]` at place `place[m]` under each component, for each m, as an array (M,
        R)."""
        seen: Array = self._tally[place * self._num_classes + label].toarray()
        # Not with [:, self._row], which would lay out the array by columns
        return (seen + TO_LABEL * self._rates.at(place, label).take(self._row, axis=1)) / self._total[place]
