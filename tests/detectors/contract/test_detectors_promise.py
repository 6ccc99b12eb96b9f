"""Every detector keeps its promise on unfiltered clean inputs: 50 random splits of one set of scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import doldrum as dd
from doldrum.data import ImageSet
from doldrum.detectors import DETECTORS, Detector, MaxSoftmax, TeCo
from doldrum.probes import Gaussian, PixelAblation, Shift
from doldrum.stats import conformal
from doldrum.stats.conformal import flags_interval

FAMILIES = {"a": Gaussian([0.2, 0.5], draws=3), "b": PixelAblation([0.3], draws=3), "c": Shift([1], draws=3)}
SETTINGS = {
    "profile": {"families": FAMILIES},
    "staged-profile": {"families": FAMILIES, "go_on": (0.4, 0.3, 0.2)},
    "w": {"strength": 0.2, "draws": 5},
    "rpp": {"strength": 0.2, "draws": 5},
    "strip": {"draws": 5},
    "teco": {"kinds": TeCo().kinds[:4]},
}  # fmt: skip
N = 500


@pytest.fixture(scope="module")
def victim():
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU(),
        torch.nn.Conv2d(8, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Dropout(0.2),
        torch.nn.Flatten(), torch.nn.Linear(8 * 64, 4),
    )  # fmt: skip
    with torch.no_grad():
        net[-1].weight.mul_(10)
    return dd.as_classifier(net.eval(), input_shape=(1, 8, 8), num_classes=4)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_realised_rate_lies_in_the_promised_interval(name, victim):
    pool = np.random.default_rng(2).random((60 + N, 1, 8, 8), dtype=np.float32)
    pool[::7] = pool[3]  # equal images: whatever the score, these tie
    kind: type[Detector] = DETECTORS[name]
    det = kind(**SETTINGS.get(name, {}), seed=1).fit(victim, pool[:60])
    scores = det.score_samples(pool[60:])
    ties = np.random.default_rng(3).random(N)  # a tie of bytes is one of the same image only
    rng, inside = np.random.default_rng(4), 0
    for _ in range(50):
        order = rng.permutation(N)
        a, b = order[:300], order[300:]
        p = conformal.p_values(scores[a], scores[b], calibration_ties=ties[a], ties=ties[b])
        low, high = flags_interval(200, 300, 0.05)
        inside += low <= (p <= 0.05).sum() <= high
    assert inside >= 44


def test_ties_keep_the_promise_through_calibrate_and_scan():
    """Three different scores and no equal images: what decides among ties is each image's own hash."""

    def coarse(x: np.ndarray) -> np.ndarray:
        level = np.round(x.mean(axis=(1, 2, 3)) * 20) / 2
        return np.stack([level, np.zeros(len(x))], axis=1)

    clf = dd.as_classifier(coarse, input_shape=(1, 8, 8), num_classes=2)
    pool = ImageSet(np.random.default_rng(5).random((502, 1, 8, 8), dtype=np.float32))
    det = MaxSoftmax(seed=1).fit(clf, pool.take(range(2)))
    rng, inside, rates = np.random.default_rng(6), 0, []
    low, high = flags_interval(200, 300, 0.05)
    for _ in range(50):
        order = 2 + rng.permutation(500)
        found = det.calibrate(pool.take(order[:300]), fpr=0.05).scan(pool.take(order[300:]))
        inside += low <= found.num_flagged <= high
        rates.append(found.flags.mean())
    assert len(np.unique(found.scores)) < 6
    assert inside >= 44
    assert np.mean(rates) == pytest.approx(15 / 301, abs=0.01)
