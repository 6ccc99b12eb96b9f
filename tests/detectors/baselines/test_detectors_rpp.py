from __future__ import annotations

import numpy as np
import pytest
from detector_specimens import SHAPE, black_box, eager, normed_classifier, pool, softmax

import doldrum as dd
from doldrum.detectors import RPP, W
from doldrum.errors import ClassifierError, InputError
from doldrum.seeds import rng


def reference(classifier, x: np.ndarray, sigma: float, seed: int, n: int) -> float:
    """The mean L1 distance of the probabilities under noise from those without, a draw at a time."""
    base, total = softmax(classifier(x[None])[0]), 0.0
    for j in range(n):
        noisy = x + np.float32(sigma) * rng(seed, "gaussian", j).standard_normal(x.shape, dtype=np.float32)
        p = softmax(classifier(noisy[None])[0])
        total += sum(abs(float(a) - float(b)) for a, b in zip(p, base, strict=True))
    return total / n


def test_score_is_the_definition_input_by_input() -> None:
    for clf in (normed_classifier(), black_box("logits")):
        x = pool(12, 1)
        det = eager(RPP(draws=15, strength=0.3, seed=4).fit(clf, pool(2)))
        expected = [-reference(clf, image, 0.3, det.probe_seed("noise"), 15) for image in x]
        assert np.allclose(det.score_samples(x), expected, atol=2e-5)
        assert np.std(expected) > 0.01


def test_the_strength_is_sigma_half() -> None:
    def scores(x: np.ndarray) -> np.ndarray:  # one class inside a band, where strong noise never stays
        inside = 0.3 - abs(x[:, 0, 0, 0] - 0.5)
        return np.stack([inside, -inside], axis=1)

    clf = dd.as_classifier(scores, input_shape=SHAPE, num_classes=2)
    x = pool(60)
    det = RPP(draws=5, seed=4).fit(clf, x)
    other = W(draws=1, seed=det.probe_seed("strength")).fit(clf, x)
    assert det.strength_ == other.strength_
    assert 0.02 < det.strength_ < 1.5


def test_what_it_cannot_serve_is_refused() -> None:
    with pytest.raises(ClassifierError, match="labels only"):
        RPP().fit(black_box("labels"), pool(5))
    flat = dd.as_classifier(lambda x: np.tile([1.0, 0.0], (len(x), 1)), input_shape=SHAPE, num_classes=2)
    with pytest.raises(InputError, match="expected"):
        RPP().fit(flat, pool(20))
    for wrong in ({"draws": 0}, {"strength": -1}):
        with pytest.raises(InputError, match="expected"):
            RPP(**wrong)
