from __future__ import annotations

import numpy as np
import pytest
from detector_specimens import black_box, eager, normed_classifier, pool, softmax

from doldrum.detectors import STRIP
from doldrum.errors import ClassifierError, InputError


def reference(classifier, x: np.ndarray, overlays: np.ndarray, mode: str, weight: float) -> float:
    """Gao et al., equations 3 and 4, in nats: the entropy of each superimposed image, over its classes, then the mean."""
    total = 0.0
    ends = (0, overlays.shape[2] - 1)
    edge = [at for at in np.ndindex(overlays.shape[2:]) if at[0] in ends or at[1] in ends]
    level = [sorted(o[c][at] for o in overlays for at in edge) for c in range(overlays.shape[1])]
    background = [(v[(len(v) - 1) // 2] + v[len(v) // 2]) / 2 if mode == "relative" else 0.0 for v in level]
    for overlay in overlays:
        mixed = np.zeros_like(x)
        for at in np.ndindex(x.shape):
            kept = 1 - weight if mode == "blend" else 1
            value = kept * x[at] + weight * (overlay[at] - background[at[0]])
            mixed[at] = min(max(value, 0.0), 1.0)
        for p in softmax(classifier(mixed[None])[0]):
            total -= p * np.log(p) if p > 0 else 0.0
    return total / len(overlays)


@pytest.mark.parametrize(
    "settings", [{}, {"mode": "add"}, {"mode": "blend", "weight": 0.5}, {"mode": "relative", "weight": 0.7}]
)
def test_score_is_the_papers_input_by_input(settings) -> None:
    clf, x = normed_classifier(), pool(12, 1)
    det = eager(STRIP(draws=9, seed=1, **settings).fit(clf, pool(30)))
    expected = [-reference(clf, image, det.overlays_, det.mode, det.weight) for image in x]
    assert np.allclose(det.score_samples(x), expected, atol=2e-5)
    assert np.std(expected) > 0.01


def test_overlays_come_from_fit_and_never_from_calibration() -> None:
    clf, clean = normed_classifier(), pool(40)
    det = STRIP(draws=9, seed=1).fit(clf, clean)
    found = [np.flatnonzero((clean == overlay).all(axis=(1, 2, 3))) for overlay in det.overlays_]
    assert all(len(at) == 1 for at in found)
    assert len({int(at[0]) for at in found}) == 9
    with pytest.raises(InputError, match="that were not used in fit"):
        det.calibrate(clean, fpr=0.1)
    kept = det.overlays_.copy()
    det.calibrate(pool(40, 2), fpr=0.1).scan(pool(5, 3))
    assert np.array_equal(det.overlays_, kept)
    other = STRIP(draws=9, seed=2).fit(clf, clean)
    assert not np.array_equal(other.overlays_, kept)


def test_an_input_whose_class_survives_every_overlay_is_the_most_suspicious() -> None:
    """A trigger in the corner decides the class whatever lies over the image."""

    def scores(x: np.ndarray) -> np.ndarray:
        out = 3 * x.reshape(len(x), -1)[:, 8:12].astype(float)
        out[:, 0] += 50 * (x[:, 0, 0, :3] >= 1).all(axis=1)
        return out

    import doldrum as dd

    clf = dd.as_classifier(scores, input_shape=(1, 8, 8), num_classes=4)
    triggered = pool(20, 4)
    triggered[:, 0, 0, :3] = 1
    clean = np.pad(0.5 * pool(30)[:, :, 1:-1, 1:-1], ((0, 0), (0, 0), (1, 1), (1, 1)))  # on a black background
    det = STRIP(draws=9, seed=1).fit(clf, clean)
    det.calibrate(0.9 * pool(99, 2), fpr=0.01)
    assert det.scan(triggered).flags.all()


def test_what_it_cannot_serve_is_refused() -> None:
    with pytest.raises(ClassifierError, match="labels only"):
        STRIP(draws=3).fit(black_box("labels"), pool(10))
    with pytest.raises(InputError, match="at least 9 clean images"):
        STRIP(draws=9).fit(normed_classifier(), pool(8))
    with pytest.raises(InputError, match="call fit"):
        STRIP(draws=9).probes()
    for wrong in ({"draws": 0}, {"mode": "mix"}, {"weight": 2}):
        with pytest.raises(InputError, match="expected"):
            STRIP(**wrong)
