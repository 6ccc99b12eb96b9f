"""W against its definition, a draw at a time."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from detector_specimens import black_box, pool

from doldrum.detectors import W
from doldrum.seeds import rng


def reference(classifier, x: np.ndarray, sigma: float, seed: int, n: int, classes: int) -> float:
    """Grosse et al.: the entropy of the labels that come back, over log K."""
    labels = Counter()
    for j in range(n):
        noisy = x + np.float32(sigma) * rng(seed, "gaussian", j).standard_normal(x.shape, dtype=np.float32)
        labels[int(classifier(noisy[None])[0])] += 1
    return -sum(c / n * math.log(c / n) for c in labels.values()) / math.log(classes)


def test_score_is_the_definition_input_by_input() -> None:
    clf, x = black_box("labels"), pool(20, 1)
    det = W(draws=25, strength=0.3, seed=4).fit(clf, pool(2))
    expected = [-reference(clf, image, 0.3, det.probe_seed("noise"), 25, clf.num_classes) for image in x]
    assert np.allclose(det.score_samples(x), expected)
    assert np.std(expected) > 0.05
    assert det.forwards == 26
