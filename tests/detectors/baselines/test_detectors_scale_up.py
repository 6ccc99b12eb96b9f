from __future__ import annotations

import numpy as np
import pytest
from detector_specimens import black_box, pool

from doldrum.detectors import ScaleUp
from doldrum.errors import InputError


def reference(classifier, x: np.ndarray, factors=(3, 5, 7, 9, 11)) -> float:
    """Guo et al., equation 1, one copy at a time."""
    label, kept = classifier(x[None])[0], 0
    for k in factors:
        scaled = np.array([min(k * value, 1.0) for value in x.ravel()], dtype=np.float32).reshape(x.shape)
        kept += int(classifier(scaled[None])[0] == label)
    return kept / len(factors)


def test_score_is_the_papers_input_by_input() -> None:
    clf, x = black_box("labels"), 0.4 * pool(60, 1)
    det = ScaleUp(seed=0).fit(clf, pool(2))
    expected = [reference(clf, image) for image in x]
    assert np.allclose(det.score_samples(x), expected)
    assert len(set(expected)) >= 4
    assert det.forwards == 6
    two = ScaleUp(factors=[2, 4], seed=0).fit(clf, pool(2)).score_samples(x)
    assert np.allclose(two, [reference(clf, image, (2, 4)) for image in x])


def test_ties_are_broken_fairly_and_no_answer_is_suspicious() -> None:
    clf = black_box("labels")
    det = ScaleUp(seed=3).fit(clf, pool(2)).calibrate(0.4 * pool(499, 2), fpr=0.05)
    clean = det.scan(0.4 * pool(2000, 7))
    assert clean.flags.mean() == pytest.approx(0.05, abs=0.03)

    def brittle(x: np.ndarray) -> np.ndarray:
        out = x.reshape(len(x), -1)[:, :3].copy()
        out[x[:, 0, 7, 7] > 0.99999] = np.nan
        return out

    import doldrum as dd

    clf = dd.as_classifier(brittle, input_shape=(1, 8, 8), num_classes=3)
    x = 0.5 * pool(3)
    x[1, 0, 7, 7] = 1
    det = ScaleUp(seed=0).fit(clf, pool(2) * 0.05)
    assert np.isinf(det.score_samples(x)).tolist() == [False, True, False]


def test_wrong_factors_are_refused() -> None:
    for wrong in ([], [-1], [3, 3]):
        with pytest.raises(InputError, match="strengths"):
            ScaleUp(factors=wrong)
