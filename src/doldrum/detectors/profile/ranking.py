"""Rank the images of a set with the smoothness profile, in several rounds. It is not known which images of the set are
clean."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet, to_float
from doldrum.detectors.contract.evidence import base_outputs
from doldrum.detectors.profile.profile import SmoothnessProfile
from doldrum.errors import InputError
from doldrum.seeds import child_seed, rng

__all__ = ["ROUNDS", "fitted_round", "rank"]

ROUNDS = 4
"""The number of rounds of draws in `rank`. Each round costs as much as scoring all images once."""
_DRAWN, _TRIMMED, _TRIMS = 500, 0.1, 2


def fitted_round(
    classifier: Classifier, data: ImageSet, earlier: Sequence[NDArray[np.float64]], *, seed: int | None
) -> SmoothnessProfile:
    """Fit the profile of the next round, with new draws, on samples that are assumed to be clean.

    `earlier` has, for each earlier round, the scores (N,) of all samples in this round. The first round starts with 500
    random samples. Twice, each sample is scored with a model of the other samples, and the tenth with the highest
    scores is removed. The profile is then fitted on the remaining samples. Each later round draws its 500 samples from
    the half of the set with the lowest scores in the round before. Fitting again on the samples with the lowest scores
    is called a concentration step, as in Rousseeuw and Van Driessen's robust covariance, 1999. The removal of poisoned
    samples matters, because poisoned samples that remain make similar samples look ordinary.
    """
    own = None if seed is None else child_seed(seed, "cleansing round", len(earlier)) >> 65
    if not earlier:
        return _trimmed(classifier, data.take(_shuffled(len(data), 0)[:_DRAWN]), own)
    calm = np.argsort(earlier[-1], kind="stable")[: max(1, len(data) // 2)]
    chosen = np.sort(calm[_shuffled(len(calm), len(earlier))[:_DRAWN]])
    return SmoothnessProfile(components=1, seed=own).fit(classifier, _answered(classifier, data.take(chosen)))


def rank(
    classifier: Classifier,
    data: ImageSet,
    *,
    seed: int | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> tuple[NDArray[np.int16], list[NDArray[np.float64]]]:
    """Return the predicted labels (N,), and the scores (N,) of each round."""
    rounds: list[NDArray[np.float64]] = []
    predicted = np.zeros(0, dtype=np.int16)
    for _ in range(ROUNDS):
        detector = fitted_round(classifier, data, rounds, seed=seed)
        detector.on_batch = on_batch
        predicted, scores = detector.scored(data)
        rounds.append(scores)
    return predicted, rounds


def _shuffled(count: int, number: int) -> NDArray[np.int64]:
    path = ("drawn from the training set",) if number == 0 else ("drawn from the least suspicious half", number)
    return rng(0, *path).permutation(count)


def _trimmed(classifier: Classifier, chosen: ImageSet, seed: int | None) -> SmoothnessProfile:
    chosen = _answered(classifier, chosen)
    detector = SmoothnessProfile(components=1, seed=seed).fit(classifier, chosen)
    for _ in range(_TRIMS):
        scores = detector.left_out()
        chosen = chosen.take(scores <= np.quantile(scores, 1 - _TRIMMED))
        detector.fit(classifier, chosen)
    return detector


def _answered(classifier: Classifier, chosen: ImageSet) -> ImageSet:
    """Remove samples for which the model returns NaN or infinite scores."""
    answered = base_outputs(classifier, to_float(chosen.images))[0] >= 0
    if not answered.any():
        raise InputError(
            "expected finite scores from the model for some samples, got NaN or infinite scores for all samples; check the model"
        )
    return chosen.take(answered)
