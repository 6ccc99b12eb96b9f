"""Local probabilities and the certificate, against those of half-spaces, which are known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from inspector_specimens import Linear, noise, subject_for
from scipy.stats import norm

from doldrum.errors import InputError
from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.methods.local_dominant import LocalDominant, certified_size

_SLOPE = np.zeros(36, np.float32)
_SLOPE[:9] = 1 / 3  # length 1


def half_space(edge: float) -> Linear:
    """Class 1 where the sum of nine pixels, by 3, is above the edge."""
    return Linear(np.stack([-_SLOPE, _SLOPE]) / 2, np.array([edge, -edge], np.float32) / 2)


def test_the_value_is_that_of_the_normal_law() -> None:
    images = noise(400)
    subject = subject_for(half_space(1.7), images, 2)
    values = LocalDominant().read(subject).values
    height = subject.search[:200].reshape(200, -1) @ _SLOPE
    for k, others in ((1, height[height < 1.7]), (0, height[height > 1.7])):
        chance = norm.cdf((others - 1.7) / LocalDominant.sigma * (1 if k else -1)).mean()
        error = 1 / math.sqrt(5 * len(others) * chance * (1 - chance))
        assert values[Route(None, k)] == pytest.approx(math.log((chance + 0.01) / (1.01 - chance)), abs=4 * error)


def test_the_certificate_is_tight_for_a_half_space() -> None:
    """A trigger along the slope, of the certified size, leaves the image without it exactly at the threshold."""
    sigma, robustness, threshold = 0.5, 0.95, 0.3
    size = certified_size(threshold, robustness, sigma=sigma)
    triggered = sigma * norm.ppf(robustness)  # height above the edge
    assert norm.cdf((triggered - size) / sigma) == pytest.approx(threshold)


def test_no_certificate_for_what_is_less_robust_than_the_threshold_and_bad_numbers_are_refused() -> None:
    assert certified_size(0.6, 0.5) == 0
    for bad in ((0.0, 0.9), (0.3, 1.0), (float("nan"), 0.9)):
        with pytest.raises(InputError):
            certified_size(*bad)
    with pytest.raises(InputError, match="sigma"):
        certified_size(0.3, 0.9, sigma=0)
