"""The statistical model of SmoothnessProfile: how likely the labels of draws are around clean inputs, and around
triggered inputs.

All code here uses NumPy. The draws of a family are an array (N, C, n) of labels, for N inputs, C strengths and n draws
per strength. A value below 0 means that the draw has no label, and is ignored. Draw j perturbs all inputs in the same
way. So each pair (strength, draw), called a place, has its own rates of labels. For example, if a picture of a shoe is
laid over the inputs, they change to other labels than with a picture of a shirt.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors.profile.components import TO_LABEL, Components
from doldrum.detectors.profile.curves import Curves, add_up, log_sum
from doldrum.detectors.profile.rates import Rates, tally

__all__ = ["COMPONENTS", "Clean", "calm", "fit_shares"]

Draws = Mapping[str, NDArray[np.int16]]
Array = NDArray[np.float64]
COMPONENTS = 4
"""The default number of mixture components per class. A class gets fewer components if it would have fewer than 12
clean inputs per component."""
_EACH, _ROUNDS = 12, 25
_TO_MEAN, _TO_SPREAD = 6.0, 20.0  # inputs' worth of the calm of all inputs in that of a label: its mean, its spread
# Share of clean inputs that got their label by accident. About 5 in 100 are nearer to one; but the share bounds what "just an outlier"
# takes from a trigger that little survives, and so few are as good for other triggers.
_OUTLIERS = 1e-5
_AT_ONCE = 1 << 17  # numbers worked on at a time


def calm(draws: NDArray[np.int16], labels: NDArray[np.int16]) -> Array:
    """The share of draws that kept the input's label, over all strengths, for each of N inputs. The share is 0 for an
    input without valid draws.

    >>> calm(np.array([[[1, 1, 0, -1]], [[-1, -1, -1, -1]]]), np.array([1, 0])).round(3).tolist()
    [0.667, 0.0]
    """
    flat = draws.reshape(len(draws), -1)
    return (flat == labels[:, None]).sum(axis=1) / np.maximum((flat >= 0).sum(axis=1), 1)


def fit_shares(draws: Draws, labels: NDArray[np.int16], num_classes: int, components: int = COMPONENTS) -> Array:
    """Fit the shares (N, components): how much of each clean input belongs to each component of its label's mixture.
    Rows sum to 1.

    Each label has a mixture of products of multinomials, fitted by expectation maximisation. At the start, the inputs
    are sorted by the share of draws that kept the label, and split into equal parts. The rates that `Clean` mixes into
    each component prevent a component with few inputs from giving extreme probabilities.
    """
    places = _places(draws)
    rates = Rates(places, labels, num_classes, _shapes(draws))
    shares = np.zeros((len(labels), components))
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        parts = max(1, min(components, len(mine) // _EACH))
        order = np.argsort((places[mine] == label).sum(axis=1), kind="stable")
        own = np.zeros((len(mine), parts))
        for part, some in enumerate(np.array_split(order, parts)):
            own[some, part] = 1
        prior: Array = TO_LABEL * rates.of(int(label)) if parts > 1 else own[:0]
        for _ in range(_ROUNDS if parts > 1 else 0):
            p = tally(places[mine], own, num_classes) + prior
            p /= p.sum(axis=-1, keepdims=True)
            logs = _read(np.log(p), places[mine]).sum(axis=2) + np.log((own.sum(axis=0) + 1) / (len(mine) + parts))
            own = np.exp(logs - log_sum(logs, axis=1)[:, None])
        shares[mine, :parts] = own
    return shares


class Clean:
    """The model of clean inputs. The model is made from the `draws` and `labels` of clean inputs, and from the `shares`
    that `fit_shares` computes. Scanned inputs are compared with the model.

    Around a clean input of label k, one of the mixture components of k generates the label at each place (strength,
    draw). The rate p_r(place, label) is the share of a label among the draws of component r's clean inputs at this
    place. The rate p_r also includes the rates of label k (`rates.Rates`), with the weight of 4 inputs.

    A triggered input with the predicted label y is modelled as a clean input of another label, to which a trigger was
    added. The trigger decides a draw's label with probability q, and otherwise has no effect. So the probability p of a
    label other than y becomes (1 - q) p, and the probability p of label y becomes q + (1 - q) p. It is not known at
    which strengths a trigger still works. So for each family, the likelihood is averaged over all curves of
    `survivals`, which say how q depends on the strength.

    A few clean inputs of label y (the model assumes 1 in 100,000) are outliers: their perturbed copies get another
    label. An outlier is modelled like a triggered input, except that the probability q is the same for all its draws:
    either 0 or .05. Without outliers in the model, a misclassified clean input would look like an input with a trigger
    that every perturbation destroys.

    A misclassified input and a triggered one differ in one more way. The true class of a misclassified input is usually
    near the predicted class, while that of a triggered input may be any class. So the class that the labels change to
    is compared with the classes that are near the predicted one.
    """

    def __init__(self, draws: Draws, labels: NDArray[np.int16], num_classes: int, shares: Array) -> None:
        self.draws, self.labels, self.num_classes, self.shares = draws, labels, num_classes, shares
        self._rates = Rates(_places(draws), labels, num_classes, _shapes(draws))
        self._mixtures = Components(self._rates, shares)
        self._curves = Curves(_shapes(draws))
        self._calms = {family: self._calm_of(family) for family in draws}

    def calm(self, family: str, draws: NDArray[np.int16], labels: NDArray[np.int16]) -> Array:
        """The standardised value of `calm` (N,) for the draws of a family: (calm - mean) / spread. Mean and spread are
        computed from clean inputs with the same label.

        The mean of a label also includes the mean of all clean inputs, with the weight of 6 inputs. The spread of a
        label also includes the spread of all clean inputs, with the weight of 20 inputs.
        """
        means, spreads = self._calms[family]
        return (calm(draws, labels) - means[labels]) / spreads[labels]

    def ratios(self, draws: Draws, labels: NDArray[np.int16]) -> Array:
        """Log likelihood ratios (N, 3 + families) of the draws, given the input's label. The columns are:

        - the distance of the classes, log p(draws | triggered) - log p(draws | triggered, of a near class): how far the
          class that the labels change to is from the input's label (`nearness.log_nearness`);
        - for all families together, log p(draws | triggered) - log p(draws | clean, possibly an outlier);
        - for all families together, -log p(draws | clean, no outlier);
        - for each family, log p(draws | triggered) - log p(draws | clean, no outlier).

        For a label that no clean input has, the rates are estimated from the rates of the other labels.
        """
        each = max(1, _AT_ONCE // (self._curves.width * len(self._mixtures.kinds)))
        starts = range(0, len(labels), each)
        places = _places({family: draws[family] for family in self.draws})
        return np.concatenate([self._ratios(places[a : a + each], labels[a : a + each]) for a in starts])

    def _ratios(self, places: NDArray[np.int16], labels: NDArray[np.int16]) -> Array:
        mixtures = self._mixtures
        # (families, N, components)
        clean, bad, kept = self._of(places, labels, mixtures.read(places))
        mine, other, near, totals, unseen = mixtures.weights(labels)
        # The families one by one, then all of them jointly; of the last, also without a trigger, and as outliers.
        jointly = np.stack([add_up(bad), add_up(clean), add_up(kept)])
        null = log_sum(np.concatenate([clean, jointly[1:2]]) + mine, axis=2) - totals[0]
        alternative = log_sum(np.concatenate([bad, jointly]) + other, axis=2) - totals[1]
        nearby = log_sum(jointly[0] + near, axis=1) - totals[2]
        for label in np.unique(labels[unseen]):  # no component of its own: what others let expect stands in
            its = labels == label
            seen = _read(self._rates.of(int(label))[None], places[its], empty=1.0).swapaxes(1, 2)
            base = self._of(places[its], labels[its], seen)[0][:, :, 0]
            null[:, its] = np.concatenate([base, add_up(base)[None]])
        outliers = log_sum(alternative[-2:], axis=0) - np.log(2)
        either = np.logaddexp(np.log1p(-_OUTLIERS) + null[-1], np.log(_OUTLIERS) + outliers)
        ratios = alternative[:-3] - null[:-1]
        return np.column_stack([alternative[-3] - nearby, alternative[-3] - either, -null[-1], *ratios])

    def _of(self, places: NDArray[np.int16], labels: NDArray[np.int16], seen: Array) -> tuple[Array, Array, Array]:
        """Three arrays (families, N, R) of log likelihoods of the draws: without a trigger, with a trigger, and for an
        outlier. `seen` (N, places, R) holds the probability of each returned label under each component.
        """
        return self._curves.likelihoods(seen, places == labels[:, None], places < 0)

    def _calm_of(self, family: str) -> tuple[Array, Array]:
        kept = calm(self.draws[family], self.labels)
        count = np.bincount(self.labels, minlength=self.num_classes)
        means = np.bincount(self.labels, kept, self.num_classes) + _TO_MEAN * kept.mean()
        means /= count + _TO_MEAN
        square = (kept - means[self.labels]) ** 2
        squares = np.bincount(self.labels, square, self.num_classes) + _TO_SPREAD * square.mean()
        return means, np.sqrt(squares / (count + _TO_SPREAD)) + 0.05


def _shapes(draws: Draws) -> list[tuple[int, int]]:
    """For each family, the number of strengths and the number of draws per strength."""
    return [(d.shape[1], d.shape[2]) for d in draws.values()]


def _places(draws: Draws) -> NDArray[np.int16]:
    """Put the labels of all draws of all families into one array (N, places). Each input has one row, in which the
    families follow one another."""
    return np.concatenate([d.reshape(len(d), -1) for d in draws.values()], axis=1)


def _read(p: Array, places: NDArray[np.int16], *, empty: float = 0.0) -> Array:
    """Select from p (R, places, K) the value for the label that was returned at each place. The result is (N, R,
    places), and has the value `empty` for places without a label."""
    found = p[:, np.arange(places.shape[1]), np.maximum(places, 0)].transpose(1, 0, 2)
    return np.where((places >= 0)[:, None], found, empty)
