"""The model behind SmoothnessProfile: how likely the labels of draws are around clean inputs, and around triggered ones.

Everything here is NumPy. Draws are labels (N, C, n) by family: N inputs, C strengths, n draws per strength; what is below 0 has no
label and counts nowhere. Draw j perturbs all inputs alike, so each (strength, draw) is a place of its own, with its own rates: an
overlay of a shoe pulls otherwise than one of a shirt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors.profile.rates import Rates, tally

__all__ = ["COMPONENTS", "Clean", "calm", "fit_shares", "log_sum", "survivals"]

Draws = Mapping[str, NDArray[np.int16]]
Array = NDArray[np.float64]
COMPONENTS = 4
"""Components of a class's mixture by default, where it has 12 or more clean inputs for each."""
_EACH, _ROUNDS = 12, 25
_TO_LABEL = 4.0  # inputs' worth of the label's rates that are mixed into a component's
_TO_MEAN, _TO_SPREAD = 6.0, 20.0  # inputs' worth of the calm of all inputs in that of a label: its mean, its spread
_KEEP = 0.97  # chance that a trigger which survives a strength decides a draw's label
# Clean inputs that got their label by accident: their share, and how often they keep it at most. About 5 in 100 are nearer to one;
# but the share bounds what "just an outlier" takes from a trigger that little survives, and so few are as good for other triggers.
_OUTLIERS, _OUTLIER_KEEPS = 1e-5, 0.05
_KEPT_BYTES = 1 << 27
_AT_ONCE = 1 << 15  # numbers worked on at a time


@cache
def survivals(conditions: int) -> Array:
    """(Q, C) chances that a trigger decides the label at each strength, weakest first: falling from .97 to 0.

    None; up to the i-th strength; up to the i-th and half of the draws at the next; half of the draws at the first; .7
    of them at all.
    """
    rows = [[0.0] * conditions, [0.5] + [0.0] * (conditions - 1), [0.7] * conditions]
    for i in range(1, conditions + 1):
        rows.append([_KEEP] * i + [0.0] * (conditions - i))
        if i < conditions:
            rows.append([_KEEP] * i + [0.5] + [0.0] * (conditions - i - 1))
    made = np.unique(np.array(rows), axis=0)
    made.flags.writeable = False  # it is handed out again
    return made


def calm(draws: NDArray[np.int16], labels: NDArray[np.int16]) -> Array:
    """(N,): share of the draws, over all strengths, that kept the base label; in [0, 1], 0 if no draw was valid.

    >>> calm(np.array([[[1, 1, 0, -1]], [[-1, -1, -1, -1]]]), np.array([1, 0])).round(3).tolist()
    [0.667, 0.0]
    """
    flat = draws.reshape(len(draws), -1)
    return (flat == labels[:, None]).sum(axis=1) / np.maximum((flat >= 0).sum(axis=1), 1)


def log_sum(logs: Array, *, axis: int) -> Array:
    """log sum exp of real numbers of which some are finite; SciPy's logsumexp takes half of a score's time for what isn't needed here."""
    most = logs.max(axis=axis, keepdims=True)
    return np.log(np.exp(logs - most).sum(axis=axis)) + most.squeeze(axis)


def fit_shares(draws: Draws, labels: NDArray[np.int16], num_classes: int, components: int = COMPONENTS) -> Array:
    """(N, components): how much of each clean input belongs to each component of its label's mixture; rows sum to 1.

    Expectation maximisation of a mixture of products of multinomials, one mixture per label, begun with the inputs in order of
    calm. What `Clean` mixes into a component's rates keeps those with few inputs from being certain of anything.
    """
    places = _places(draws)
    rates = Rates(places, labels, num_classes, _shapes(draws))
    shares = np.zeros((len(labels), components))
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        parts = max(1, min(components, len(mine) // _EACH))
        mean = rates.of(int(label), places[mine])
        order = np.argsort((places[mine] == label).sum(axis=1), kind="stable")
        own = np.zeros((len(mine), parts))
        for part, some in enumerate(np.array_split(order, parts)):
            own[some, part] = 1
        for _ in range(_ROUNDS if parts > 1 else 0):
            p = _components(places[mine], own, mean)
            logs = _read(np.log(p), places[mine]).sum(axis=2) + np.log((own.sum(axis=0) + 1) / (len(mine) + parts))
            own = np.exp(logs - log_sum(logs, axis=1)[:, None])
        shares[mine, :parts] = own
    return shares


class Clean:
    """Clean inputs (`draws`, `labels`, and what `fit_shares` made of them), ready to hold others against.

    Around a clean input of label k, the label of each place (strength, draw) is drawn by one of k's components: p_r(place, label) is
    what came back around its share of the clean inputs, with 4 inputs' worth of k's rates (`rates.Rates`) mixed in.
    A triggered input of label y is a clean one of another label with a trigger that decides a draw's label with a chance q,
    else leaves it as it is: p becomes (1 - q) p, and at y q + (1 - q) p; averaged over the rows of `survivals`, a family at a time,
    since nobody knows how a trigger fares.

    Some clean inputs of label y (1 in 100,000 is supposed) are outliers: their perturbed copies get another label. Their
    draws are like those of clean inputs of the other labels, with one chance of keeping y for all families, 0 or .05. Without
    them a misclassified input would be best explained by a trigger that never survives.
    """

    def __init__(self, draws: Draws, labels: NDArray[np.int16], num_classes: int, shares: Array) -> None:
        self.draws, self.labels, self.num_classes, self.shares = draws, labels, num_classes, shares
        self._places = _places(draws)
        self._seen = np.unique(labels)
        self._rates = Rates(self._places, labels, num_classes, _shapes(draws))
        size = 8 * self._places.shape[1] * num_classes * shares.shape[1] * len(self._seen)
        self._keeps = size <= _KEPT_BYTES
        self._kept: tuple[Array, Array, NDArray[np.int64]] | None = None
        self._row = np.full(num_classes, len(self._seen))
        self._row[self._seen] = np.arange(len(self._seen))
        self._weighed: tuple[Array, Array, Array, NDArray[np.bool_]] | None = None
        self._columns = _Columns(_shapes(draws))
        self._calms = {family: self._calm_of(family) for family in draws}

    def calm(self, family: str, draws: NDArray[np.int16], labels: NDArray[np.int16]) -> Array:
        """(N,): `calm` under a family, less the label's mean over its spread, among the clean inputs.

        Both with what all inputs say: 6 inputs' worth in the mean, 20 in the spread.
        """
        means, spreads = self._calms[family]
        return (calm(draws, labels) - means[labels]) / spreads[labels]

    def ratios(self, draws: Draws, labels: NDArray[np.int16]) -> Array:
        """(N, 2 + families): log p(draws | triggered) - log p(draws | clean, outliers among them) of all families jointly;
        -log p(draws | clean, no outlier); and by each family log p(draws | triggered) - log p(draws | clean, no outlier).

        All given the input's label; one that no clean input has is held against what the others let expect of it.
        """
        each = max(1, _AT_ONCE // (len(self._columns.q) * self.shares.shape[1] * len(self._seen)))
        starts = range(0, len(labels), each)
        places = _places({family: draws[family] for family in self.draws})
        return np.concatenate([self._ratios(places[a : a + each], labels[a : a + each]) for a in starts])

    def _ratios(self, places: NDArray[np.int16], labels: NDArray[np.int16]) -> Array:
        parts: list[tuple[Array, Array, Array]] = []
        own: list[NDArray[np.int64]] = []
        weights: list[Array] = []
        for p, log_weight, kind in self._components():
            parts.append(self._of_components(places, labels, p))
            own.append(kind)
            weights.append(log_weight)
        kinds, weight = np.concatenate(own), np.concatenate(weights)
        # (families, N, components)
        clean, bad, kept = (np.concatenate([part[i] for part in parts], axis=2) for i in range(3))
        mine, other, totals, unseen = self._weights(kinds, weight)
        row = self._row[labels]
        mine, other, totals, new = mine[row], other[row], totals[:, row], unseen[row]
        # The families one by one, then all of them jointly; of the last, also without a trigger, and as outliers.
        null = log_sum(np.concatenate([clean, clean.sum(axis=0)[None]]) + mine, axis=2) - totals[0]
        jointly = np.stack([bad.sum(axis=0), clean.sum(axis=0), kept.sum(axis=0)])
        alternative = log_sum(np.concatenate([bad, jointly]) + other, axis=2) - totals[1]
        for label in np.unique(labels[new]):  # no component of its own: what others let expect stands in
            its = labels == label
            rates = self._rates.of(int(label), self._places[:0])[None]
            base = self._of_components(places[its], labels[its], rates)[0][:, :, 0]
            null[:, its] = np.concatenate([base, base.sum(axis=0)[None]])
        outliers = log_sum(alternative[-2:], axis=0) - np.log(2)
        either = np.logaddexp(np.log1p(-_OUTLIERS) + null[-1], np.log(_OUTLIERS) + outliers)
        return np.column_stack([alternative[-3] - either, -null[-1], *(alternative[:-3] - null[:-1])])

    def _weights(self, kinds: NDArray[np.int64], weight: Array) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
        """For each label that clean inputs have, and last for any other (S, R): the weights of its own components and of the others, as
        logs; the logs of both sums (2, S); and which rows (S,) have no component."""
        if self._weighed is None:
            same = kinds[None, :] == np.append(self._seen, -1)[:, None]
            alone, unseen = ~same.all(axis=1), ~same.any(axis=1)
            other = np.where(same & alone[:, None], -np.inf, weight)
            mine = np.where(same | unseen[:, None], weight, -np.inf)
            self._weighed = mine, other, log_sum(np.stack([mine, other]), axis=2), unseen
        return self._weighed

    def _of_components(
        self, places: NDArray[np.int16], labels: NDArray[np.int16], p: Array
    ) -> tuple[Array, Array, Array]:
        """Log likelihoods (families, N, R) of the draws under components p (R, places, K); under them with a trigger; and where a
        few draws keep the input's label.
        """
        at = self._columns
        seen = _read(p, places, empty=1.0)  # (N, R, places)
        logs, hit, lost = np.log(seen), (places == labels[:, None])[:, None], (places >= 0)[:, None]
        # A draw's label is the input's with chance q, else the component's: a column for each draw on each curve.
        won = np.log(at.q + (1 - at.q) * seen[..., at.place])
        terms = np.where(hit[..., at.place], won, logs[..., at.place] + at.missed * lost[..., at.place])
        found = np.add.reduceat(terms, at.curves, axis=2).transpose(2, 0, 1)  # (curves of all families, N, R)
        curves = np.concatenate([found, np.full((1, *found.shape[1:]), -np.inf)])[at.of_family]
        bad = log_sum(curves, axis=0) - at.log_curves
        return np.add.reduceat(logs, at.families, axis=2).transpose(2, 0, 1), bad, found[at.outliers]

    def _components(self) -> Iterator[tuple[Array, Array, NDArray[np.int64]]]:
        """Components (R, places, K), the logs of their weights (R,), which sum to 1 over all, and their labels (R,): all at once where that
        can be kept, else label by label."""
        if self._kept is not None:
            yield self._kept
            return
        mixtures = ((*self._mixture(int(label)), int(label)) for label in self._seen)
        made = ((p, np.log(weight), np.full(len(weight), label)) for p, weight, label in mixtures)
        if not self._keeps:
            yield from made
            return
        p, weight, kinds = (np.concatenate(parts) for parts in zip(*made, strict=True))
        self._kept = p, weight, kinds
        yield self._kept

    def _mixture(self, label: int) -> tuple[Array, Array]:
        """Components (R, places, K) of a label, and their weights, which sum to the label's share of the clean inputs."""
        mine = self.labels == label
        own = self.shares[mine]
        own = own[:, own.sum(axis=0) > 0]
        p = _components(self._places[mine], own, self._rates.of(label, self._places[mine]))
        return p, (own.sum(axis=0) + 1) / (len(own) + own.shape[1]) * len(own) / len(self.labels)

    def _calm_of(self, family: str) -> tuple[Array, Array]:
        kept = calm(self.draws[family], self.labels)
        count = np.bincount(self.labels, minlength=self.num_classes)
        means = np.bincount(self.labels, kept, self.num_classes) + _TO_MEAN * kept.mean()
        means /= count + _TO_MEAN
        square = (kept - means[self.labels]) ** 2
        squares = np.bincount(self.labels, square, self.num_classes) + _TO_SPREAD * square.mean()
        return means, np.sqrt(squares / (count + _TO_SPREAD)) + 0.05


class _Columns:
    """The place of each family's draws, and of each draw on each curve of `survivals`: the curves of a family follow one another, and the last
    is that of outliers, which keep the input's label with one chance.

    `place` (M,) is the draw of each column, `q` (M,) its chance to have the input's label, `missed` log(1 - q). `curves` are the first
    columns of the curves, `families` the first places of the families; `of_family` (most curves, families) the numbers of a family's
    curves, -1 if it has fewer, and `outliers` (families,) of those of outliers.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]]) -> None:
        made = [survivals(conditions) for conditions, _ in shapes]
        rows = [
            np.vstack([np.repeat(c, n, axis=1), np.full(c.shape[1] * n, _OUTLIER_KEEPS)])
            for c, (_, n) in zip(made, shapes, strict=True)
        ]
        widths, counts = [r.shape[1] for r in rows], [len(r) for r in rows]
        self.families = np.concatenate([[0], np.cumsum(widths)[:-1]]).astype(np.intp)
        starts: list[int] = self.families.tolist()
        each = zip(starts, rows, strict=True)
        place = [first + i for first, r in each for _ in range(len(r)) for i in range(r.shape[1])]
        self.place: NDArray[np.intp] = np.array(place, dtype=np.intp)
        self.q = np.concatenate([r.ravel() for r in rows])
        self.missed = np.log1p(-self.q)
        lengths = np.repeat(widths, counts)
        self.curves = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.intp)
        ends = np.cumsum(counts)
        self.outliers = ends - 1
        self.of_family = np.full((max(counts) - 1, len(shapes)), -1)
        for family, (end, count) in enumerate(zip(ends, counts, strict=True)):
            self.of_family[: count - 1, family] = np.arange(end - count, end - 1)
        self.log_curves = np.log(np.array(counts) - 1)[:, None, None]


def _shapes(draws: Draws) -> list[tuple[int, int]]:
    return [(d.shape[1], d.shape[2]) for d in draws.values()]


def _places(draws: Draws) -> NDArray[np.int16]:
    """(N, places): the labels of all families side by side."""
    return np.concatenate([d.reshape(len(d), -1) for d in draws.values()], axis=1)


def _read(p: Array, places: NDArray[np.int16], *, empty: float = 0.0) -> Array:
    """(N, R, places): the values of p (R, places, K) at the labels that came back, `empty` where none did.

    In memory as in the shape: sums over the last axis are then the same whatever N is.
    """
    found = p[:, np.arange(places.shape[1]), np.maximum(places, 0)].transpose(1, 0, 2)
    return np.ascontiguousarray(np.where((places >= 0)[:, None], found, empty))


def _components(places: NDArray[np.int16], own: Array, rates: Array) -> Array:
    """(R, places, K): what came back around each component's share of a label's inputs, with the label's own rates mixed in."""
    total = tally(places, own, rates.shape[1]) + _TO_LABEL * rates
    return total / total.sum(axis=-1, keepdims=True)
