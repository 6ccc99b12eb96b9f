"""Compares the smoothness profiles of training samples with those of clean inputs, with a promised false-positive rate.

If there are no clean inputs, the module `ranking` ranks the training samples instead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.cleansing.methods.base import Verdict
from doldrum.data import ImageSet
from doldrum.detectors import SmoothnessProfile
from doldrum.detectors.contract.splitting import check_apart, fit_and_calibration
from doldrum.errors import InputError
from doldrum.stats.conformal import needed_size, smallest_fpr_text

__all__ = [
    "against_clean",
    "check_clean",
    "check_enough",
    "fitted_on_clean",
    "split_clean",
]

_MOST_TO_FIT = 1000  # more clean inputs cost time with every sample and bring little
_FEWEST, _FEWEST_TO_FIT = 100, 50


def check_enough(data: ImageSet, clean: ImageSet | None, fpr: float) -> None:
    """Raise InputError unless there are enough clean inputs to promise `fpr`, or enough samples to rank."""
    if clean is None:
        if len(data) < _FEWEST:
            raise InputError(
                f"expected at least {_FEWEST} samples to rank, got {len(data)}; add samples, or pass clean images too"
            )
        return
    check_clean(clean, fpr)


def check_clean(clean: ImageSet, fpr: float) -> None:
    """Raise InputError unless there are enough different clean inputs to fit the profile and to promise `fpr`."""
    needed = needed_size(fpr)
    total = max(2 * _FEWEST_TO_FIT, needed + min(needed - 1, _MOST_TO_FIT))
    if len(clean) < total:
        left = len(clean) - _to_fit(clean)
        other = f", or pass fpr={smallest_fpr_text(left)}" if _to_fit(clean) >= _FEWEST_TO_FIT else ""
        raise InputError(
            f"expected at least {total} clean images for fpr={fpr:g} (half of them, but at least {_FEWEST_TO_FIT} and at most {_MOST_TO_FIT:,}, to fit the profile, "
            f"and at least {needed} others to calibrate), got {len(clean)}; add clean images{other}"
        )
    check_apart(*split_clean(clean))


def _to_fit(clean: ImageSet) -> int:
    return min(len(clean) // 2, _MOST_TO_FIT)


def split_clean(clean: ImageSet) -> tuple[ImageSet, ImageSet]:
    """The clean inputs to fit the profile (half of all, but at most 1,000), and the remaining ones to calibrate it."""
    return fit_and_calibration(clean, _to_fit(clean))


def fitted_on_clean(
    classifier: Classifier, fit: ImageSet, calibration: ImageSet, *, fpr: float, seed: int | None = None
) -> SmoothnessProfile:
    """The smoothness profile, fitted and calibrated on clean inputs."""
    return SmoothnessProfile(seed=seed).fit(classifier, fit).calibrate(calibration, fpr=fpr)


def against_clean(
    detector: SmoothnessProfile, data: ImageSet, labels: NDArray[np.int16], scores: NDArray[np.float64]
) -> Verdict:
    """A verdict that drops the samples flagged at the detector's promised false-positive rate.

    The verdict's `details` are `p_values` (N,), `fpr`, `num_calibration`, `limit`, `more_than_promised`, `discoveries`
    and `realised_fpr`. `limit` is the 95% upper limit of the number of flags at the promised rate. `discoveries` is the
    number of samples that Benjamini-Hochberg finds at an FDR of 10%. `realised_fpr` is a list: the mean of the actual
    false-positive rate, and its lower and upper 95% limit.
    """
    found, calibration = detector.judge(labels, scores, data), detector.calibration
    assert calibration is not None
    promise = calibration.promise
    details = {
        "p_values": found.p_values, "fpr": found.fpr, "num_calibration": found.num_calibration, "limit": found.limit,
        "more_than_promised": found.more_than_promised, "discoveries": len(found.flagged(0.1)), "realised_fpr": [promise.value, promise.lower, promise.upper],
    }  # fmt: skip
    rule = f"drops the flagged samples; on average, at most a share of {found.fpr:.3g} of the samples like the clean images is flagged"
    return Verdict("profile", scores, found.flags, rule, details)
