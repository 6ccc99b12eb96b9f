"""Our detectors under ART's names: which way round its flags are, against ART's own tools, and the promise."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from small_nets import small_net

import doldrum as dd
from doldrum.detectors import MaxSoftmax, W
from doldrum.errors import InputError

pytest.importorskip("art")

from art.defences.detector.evasion import BinaryInputDetector, EvasionDetector
from art.defences.detector.poison import PoisonFilteringDefence
from art.defences.detector.poison.ground_truth_evaluator import GroundTruthEvaluator
from art.estimators.classification import PyTorchClassifier

from doldrum.adapters.art import PoisonFilter, TriggerDetector

SHAPE, CLASSES = (1, 8, 8), 4


class Sure(torch.nn.Module):
    """A network that is very sure of class 0 where the corner is white, in ART's range of 0 to 255, and unsure otherwise."""

    def forward(self, x):
        x = x / 255
        plain = x.reshape(len(x), CLASSES, -1).mean(dim=2)
        return plain + 50 * torch.relu(x[:, 0, 7, 7:8] - 0.99) * 100 * torch.eye(CLASSES)[0]


@pytest.fixture(scope="module")
def estimator():
    return PyTorchClassifier(
        Sure(),
        torch.nn.CrossEntropyLoss(),
        input_shape=SHAPE,
        nb_classes=CLASSES,
        clip_values=(0, 255),
        device_type="cpu",
    )


def drawn(n, seed):
    """Inputs as ART takes them; the corner is never white."""
    return np.random.default_rng(seed).integers(0, 200, (n, *SHAPE)).astype(np.float32)


def with_trigger(x, rows):
    x = x.copy()
    x[rows, 0, 7, 7] = 255
    return x


@pytest.fixture(scope="module")
def detector(estimator):
    clf: Any = dd.as_classifier(estimator)
    clean = clf.layout.images(drawn(400, 1))
    return MaxSoftmax(seed=0).fit(clf, clean[:100]).calibrate(clean[100:], fpr=0.05)


def test_poison_is_zero_in_is_clean_and_a_true_positive_of_art_s_own_evaluator(estimator, detector):
    poisoned = np.arange(0, 200, 5)
    x = with_trigger(drawn(200, 2), poisoned)
    truth = np.ones(200, dtype=int)
    truth[poisoned] = 0
    y = np.arange(200) % CLASSES
    defence = PoisonFilter(estimator, x, y, detector)
    assert isinstance(defence, PoisonFilteringDefence)
    report, is_clean = defence.detect_poison()
    assert [type(v) for v in is_clean[:2]] == [int, int]
    assert not np.asarray(is_clean)[poisoned].any()
    assert np.asarray(is_clean)[truth == 1].mean() > 0.9
    assert report["num_flagged"] == 200 - sum(is_clean) >= 40
    assert report["scores"][poisoned].min() > np.median(report["scores"])
    assert report["more_than_promised"]

    matrix = json.loads(defence.evaluate_defence(truth))
    assert sum(m["TruePositive"]["numerator"] for m in matrix.values()) == 40
    assert sum(m["FalseNegative"]["numerator"] for m in matrix.values()) == 0
    parts = [[np.asarray(v)[y == k] for k in range(CLASSES)] for v in (is_clean, truth)]
    assert matrix == json.loads(GroundTruthEvaluator().analyze_correctness(*parts)[1])
    one_hot = PoisonFilter(estimator, x, np.eye(CLASSES)[y], detector)
    assert json.loads(one_hot.evaluate_defence(truth)) == matrix


def test_it_agrees_in_sign_with_art_s_own_filter(estimator):
    """A defence of ART's and ours on a set where both see the poison: both call the same samples clean."""
    from art.defences.detector.poison import SpectralSignatureDefense

    model = PyTorchClassifier(
        torch.nn.Sequential(Sure()), torch.nn.CrossEntropyLoss(), input_shape=SHAPE, nb_classes=CLASSES, clip_values=(0, 255), device_type="cpu"
    )  # fmt: skip
    poisoned = np.arange(10)
    x, y = with_trigger(drawn(100, 3), poisoned), np.zeros(100, dtype=int)
    theirs = SpectralSignatureDefense(model, x, np.eye(CLASSES)[y], expected_pp_poison=0.1, eps_multiplier=1.0)
    clf: Any = dd.as_classifier(model)
    clean = clf.layout.images(drawn(400, 1))
    calibrated = MaxSoftmax(seed=0).fit(clf, clean[:100]).calibrate(clean[100:], fpr=0.01)
    ours = PoisonFilter(model, x, y, calibrated)
    called = np.asarray(ours.detect_poison()[1])
    assert theirs.detect_poison()[1] == [0] * 10 + [1] * 90
    assert not called[:10].any()
    assert called[10:].mean() > 0.95  # at most 1% false alarms were promised, on average


def test_adversarial_is_true_as_in_art_s_binary_detector(estimator):
    x = with_trigger(drawn(60, 4), np.arange(20))

    class White(torch.nn.Module):  # class 1 = adversarial, as ART trains it
        def forward(self, x):
            return torch.stack([torch.zeros(len(x)), x[:, 0, 7, 7] - 254], dim=1)

    knows = PyTorchClassifier(White(), torch.nn.CrossEntropyLoss(), input_shape=SHAPE, nb_classes=2, clip_values=(0, 255), device_type="cpu")  # fmt: skip
    theirs = BinaryInputDetector(knows).detect(x)[1]
    ours = TriggerDetector(estimator, MaxSoftmax(seed=0), fpr=0.01)
    assert isinstance(ours, EvasionDetector)
    with pytest.raises(InputError, match="expected a fitted detector, got none"):
        ours.detect(x)
    assert ours.fit(drawn(400, 5), np.zeros(400), batch_size=32, nb_epochs=3) is None
    report, is_adversarial = ours.detect(x, batch_size=7)
    assert is_adversarial.dtype == theirs.dtype == bool
    assert is_adversarial.tolist() == theirs.tolist() == [True] * 20 + [False] * 40
    assert report["scores"][:20].min() > report["scores"][20:].max()
    assert ours.detector.calibration is None


def test_the_promise_holds_whatever_the_batch():
    net = PyTorchClassifier(small_net(), torch.nn.CrossEntropyLoss(), input_shape=SHAPE, nb_classes=4, clip_values=(0.0, 1.0), device_type="cpu")  # fmt: skip
    pool = np.random.default_rng(1).random((900, *SHAPE), dtype=np.float32)
    ours = TriggerDetector(net, W(strength=0.2, draws=5, seed=0), fpr=0.1)
    ours.fit(pool[:400])
    found = ours.detect(pool[400:], batch_size=33)[1]
    assert 0.04 < found.mean() < 0.18
    assert (ours.detect(pool[400:])[1] == found).all()
    order = np.random.default_rng(0).permutation(400)
    ours.fit(pool[:400][order])
    assert (ours.detect(pool[400:])[1] == found).all()


def test_parameters_as_art_sets_them(estimator, detector):
    x, y = drawn(30, 6), np.zeros(30, dtype=int)
    defence = PoisonFilter(estimator, x, y, detector)
    assert set(defence.get_params()) == {"classifier", "x_train", "y_train", "detector"}
    assert len(defence.detect_poison(x_train=x[:10], y_train=y[:10])[1]) == 10
    ours = TriggerDetector(estimator, MaxSoftmax(seed=0))
    ours.set_params(fpr=0.2)
    ours.fit(drawn(60, 7))
    assert ours.detect(x)[0]["fpr"] == 0.2


def test_what_does_not_fit_is_refused(estimator, detector):
    x, y = drawn(30, 6), np.zeros(30, dtype=int)
    with pytest.raises(InputError, match="expected a calibrated detector, got MaxSoftmax"):
        PoisonFilter(estimator, x, y, MaxSoftmax())
    with pytest.raises(InputError, match="expected a label for each of 30 samples, got 29"):
        PoisonFilter(estimator, x, y[1:], detector)
    other = PyTorchClassifier(small_net(), torch.nn.CrossEntropyLoss(), input_shape=SHAPE, nb_classes=4, clip_values=(0, 255), device_type="cpu")  # fmt: skip
    with pytest.raises(InputError, match="expected the model that the detector was fitted on"):
        PoisonFilter(other, x, y, detector)
    with pytest.raises(InputError, match=r"expected is_clean of shape \(30,\) of zeros and ones"):
        PoisonFilter(estimator, x, y, detector).evaluate_defence(np.full(30, 2))
    with pytest.raises(InputError, match=r"expected a fit_share in \(0, 1\), got 1.5"):
        TriggerDetector(estimator, MaxSoftmax(), fit_share=1.5)
    with pytest.raises(InputError, match=r"expected at least 197 clean images for fpr=0\.01"):
        TriggerDetector(estimator, MaxSoftmax()).fit(drawn(100, 8))
    with pytest.raises(InputError, match=r"expected inputs of shape \(N, 1, 8, 8\)"):
        TriggerDetector(estimator, MaxSoftmax(), fpr=0.5).fit(np.zeros((50, 8, 8)))
