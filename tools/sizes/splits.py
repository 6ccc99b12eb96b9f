"""Measure a model's images once, then fit, calibrate and score over random splits of the measured images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from doldrum.detectors import Evidence, SmoothnessProfile
from doldrum.measuring import Answers, Measurement
from doldrum.pixels import to_float
from doldrum.seeds import rng
from doldrum.stats.conformal import smallest_fpr, threshold

RATES = (0.01, 0.05)


def evidence_of(model: Any, images: NDArray[Any], detector: SmoothnessProfile) -> Evidence:
    x = to_float(images)
    answers = Answers.concatenate(list(Measurement(model, x, detector.probes(), readouts=[], scores=False).chunks()))
    return Evidence(x, answers.labels, model.num_classes, answers.responses)


def flagged_by_size(
    detector: SmoothnessProfile,
    clean: Evidence,
    bad: Evidence,
    sizes: Sequence[tuple[int, int]],
    *,
    splits: int,
    seed: int,
) -> list[dict[str, Any]]:
    """The numbers of flagged images for each size (images to fit, to calibrate), promised rate and split."""
    found = []
    for fit, calibration in sizes:
        rates = [rate for rate in RATES if rate >= smallest_fpr(calibration)]
        flagged: dict[float, list[list[int]]] = {rate: [] for rate in rates}
        for number in range(splits):
            order = rng(seed, "split", fit, number).permutation(len(clean))
            detector.learn(clean.take(order[:fit]))
            scores = detector.score(clean.take(order[fit:]))
            triggered = detector.score(bad)
            for rate in rates:
                limit = threshold(scores[:calibration], rate)
                flagged[rate].append([int((s > limit).sum()) for s in (triggered, scores[calibration:])])
        tested = len(clean) - fit - calibration
        found += [
            {
                "fit": fit,
                "calibration": calibration,
                "rate": rate,
                "tested": tested,
                "hits": [f[0] for f in flagged[rate]],
                "false": [f[1] for f in flagged[rate]],
            }
            for rate in rates
        ]
    return found
