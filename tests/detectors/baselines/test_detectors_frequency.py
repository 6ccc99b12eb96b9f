"""Frequency: its discriminant against scikit-learn's ridge, and what it finds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.fft import dct
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import Ridge

from doldrum.detectors import Frequency
from doldrum.detectors.baselines.frequency import synthetic_triggers


@pytest.fixture(scope="module")
def smooth_images():
    noise = np.random.default_rng(0).standard_normal((500, 1, 8, 8))
    soft = np.array([[gaussian_filter(c, 2) for c in x] for x in noise])
    return (0.5 + soft).clip(0, 1).astype(np.float32)


def test_score_is_a_ridge_on_the_log_spectrum(clf, smooth_images):
    det = Frequency(seed=1, ridge=0.2).fit(clf, smooth_images[:200])

    def spectrum(x):  # column by column, then row by row
        rows = dct(x.astype(float), axis=2, norm="ortho")
        return np.log(1e-4 + abs(dct(rows, axis=3, norm="ortho"))).reshape(len(x), -1)

    good = spectrum(smooth_images[:200])
    bad = spectrum(synthetic_triggers(smooth_images[:200], det.probe_seed("triggers")))
    center, scale = good.mean(axis=0), good.std(axis=0) + 1e-3
    x = (np.concatenate([good, bad]) - center) / scale
    ridge = Ridge(alpha=0.2 * len(x)).fit(x, np.repeat([-1.0, 1.0], 200))
    expected = ridge.predict((spectrum(smooth_images[200:]) - center) / scale)
    assert det.score_samples(smooth_images[200:]) == pytest.approx(expected, abs=1e-6)


def test_it_finds_a_checkerboard_and_not_a_soft_shade(clf, smooth_images):
    det = Frequency(seed=1).fit(clf, smooth_images[:200]).calibrate(smooth_images[200:400], fpr=0.05)
    checker = smooth_images[400:].copy()
    checker[:, :, 5:, 5:] = np.indices((3, 3)).sum(axis=0) % 2
    assert det.scan(checker).flags.mean() > 0.8
    assert det.scan(smooth_images[400:] * 0.95).flags.mean() < 0.2


def test_a_fifth_of_the_synthetic_triggers_is_a_blend_with_another_image(smooth_images):
    clean = smooth_images[:100]
    made = synthetic_triggers(clean, seed=0)
    blends = 0.8 * clean[:, None] + 0.2 * clean[None]  # every image with every other
    apart = np.abs(made[:, None] - blends).max(axis=(2, 3, 4)).min(axis=1)
    assert 10 <= (apart < 1e-6).sum() <= 32
    assert ((made >= 0) & (made <= 1)).all()
    assert (synthetic_triggers(clean, seed=0) == made).all()
