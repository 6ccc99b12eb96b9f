"""ART's classifiers as ours: their labels, their range, the order of their axes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from small_nets import small_net

import doldrum as dd
from doldrum.classifiers.adapters.art import ArtClassifier
from doldrum.classifiers.adapters.art_layout import ArtLayout
from doldrum.classifiers.adapters.art_module import ArtModuleClassifier
from doldrum.errors import ClassifierError, InputError

art = pytest.importorskip("art.estimators.classification")


def torch_estimator(net, **options):
    shape = options.pop("input_shape", (1, 8, 8))
    options = {"clip_values": (0.0, 1.0)} | options
    return art.PyTorchClassifier(net, torch.nn.CrossEntropyLoss(), input_shape=shape, nb_classes=4, **options)


def test_a_torch_estimator_runs_in_every_engine_with_its_range_and_preprocessing():
    net = small_net(shape=(3, 8, 8))
    mean, std = np.array([100.0, 120.0, 140.0]), np.array([50.0, 60.0, 70.0])
    estimator = torch_estimator(
        net, input_shape=(3, 8, 8), clip_values=(0, 255), preprocessing=(mean, std), device_type="cpu"
    )
    clf = dd.as_classifier(estimator)
    assert isinstance(clf, ArtModuleClassifier)
    assert (clf.input_shape, clf.num_classes, clf.outputs) == ((3, 8, 8), 4, "logits")
    x = np.random.default_rng(0).integers(0, 256, (50, 3, 8, 8)).astype(np.float32)
    by_hand = net(torch.from_numpy((x - mean.reshape(3, 1, 1)) / std.reshape(3, 1, 1)).float()).detach().numpy()
    ours = clf(clf.layout.images(x))
    assert len(np.unique(ours.argmax(axis=1))) > 1
    assert ours == pytest.approx(by_hand, abs=1e-3)
    assert ours == pytest.approx(estimator.predict(x), abs=1e-3)
    assert clf.layout.inputs(clf.layout.images(x)) == pytest.approx(x, abs=1e-3)
    responses = dd.measure(
        clf, clf.layout.images(x[:5]), dd.probes.Gaussian([0.2], draws=20, seed=0), engine="openvino"
    )
    plain = dd.measure(clf, clf.layout.images(x[:5]), dd.probes.Gaussian([0.2], draws=20, seed=0), engine="eager")
    assert (responses.draws == plain.draws).mean() > 0.95


def test_other_estimators_are_asked_by_predict():
    from art.defences.postprocessor import Rounded
    from art.estimators.certification.randomized_smoothing import PyTorchRandomizedSmoothing

    net = small_net()
    x = np.random.default_rng(1).random((20, 1, 8, 8), dtype=np.float32)
    smoothed = PyTorchRandomizedSmoothing(
        net, torch.nn.CrossEntropyLoss(), (1, 8, 8), 4, clip_values=(0.0, 1.0), sample_size=10, scale=1e-6, alpha=0.5, device_type="cpu"
    )  # fmt: skip
    altered = torch_estimator(net, postprocessing_defences=Rounded(decimals=1), device_type="cpu")
    for estimator in (smoothed, altered):
        clf = dd.as_classifier(estimator)
        assert type(clf) is ArtClassifier
        assert clf(x) == pytest.approx(estimator.predict(x), abs=1e-5)


@pytest.mark.parametrize("first", [True, False])
def test_a_black_box_gives_labels_and_gets_its_own_axes(first):
    seen = []

    def one_hot(x):
        seen.append(x)
        return np.eye(3)[x.mean(axis=(2, 3) if first else (1, 2)).argmax(axis=1)]

    shape = (3, 4, 5) if first else (4, 5, 3)
    estimator = art.BlackBoxClassifierNeuralNetwork(one_hot, shape, 3, channels_first=first, clip_values=(-1.0, 1.0))
    clf = dd.as_classifier(estimator)
    assert (clf.input_shape, clf.outputs) == ((3, 4, 5), "labels")
    x = np.random.default_rng(0).random((9, 3, 4, 5), dtype=np.float32)
    assert clf(x).tolist() == x.mean(axis=(2, 3)).argmax(axis=1).tolist()
    assert seen[0].shape[1:] == shape
    expected = 2 * x - 1 if first else (2 * x - 1).transpose(0, 2, 3, 1)
    assert seen[0] == pytest.approx(expected, abs=1e-6)
    assert clf.layout.images(seen[0]) == pytest.approx(x, abs=1e-6)


def test_a_black_box_without_an_order_of_axes():
    def one_hot(x):
        return np.eye(2)[(x.reshape(len(x), -1).mean(axis=1) > 0.5).astype(int)]

    made = lambda shape: art.BlackBoxClassifier(one_hot, shape, 2, clip_values=(0.0, 1.0))  # noqa: E731
    assert dd.as_classifier(made((28, 28, 1))).input_shape == (1, 28, 28)
    assert dd.as_classifier(made((3, 28, 28))).input_shape == (3, 28, 28)
    assert dd.as_classifier(made((28, 28))).input_shape == (1, 28, 28)
    assert dd.as_classifier(made((4, 28, 28)), input_shape=(28, 4, 28)).input_shape == (28, 4, 28)
    with pytest.raises(
        InputError,
        match=r"expected an input_shape \(C, H, W\) that fits the ART classifier's own shape \(4, 28, 28\), got none",
    ):
        dd.as_classifier(made((4, 28, 28)))
    with pytest.raises(InputError, match="got \\(1, 27, 27\\)"):
        dd.as_classifier(made((28, 28, 1)), input_shape=(1, 27, 27))


def test_scikit_learn_by_way_of_art(images):
    rows, truth = images.reshape(20, 64), np.arange(20) % 3
    model = LogisticRegression(max_iter=500).fit(rows, truth)
    estimator = art.SklearnClassifier(model, clip_values=(0.0, 1.0))
    clf = dd.as_classifier(estimator, input_shape=(1, 8, 8))
    assert (clf.num_classes, clf.outputs) == (3, "probabilities")
    assert clf(images) == pytest.approx(model.predict_proba(rows), abs=1e-6)
    other = art.SklearnClassifier(LogisticRegression(max_iter=500).fit(rows, truth[::-1]), clip_values=(0.0, 1.0))
    again = art.SklearnClassifier(LogisticRegression(max_iter=500).fit(rows, truth), clip_values=(0.0, 1.0))
    prints = [dd.as_classifier(e, input_shape=(1, 8, 8)).fingerprint for e in (estimator, again, other)]
    assert prints[0] == prints[1] != prints[2]
    svm = art.SklearnClassifier(LinearSVC().fit(rows, truth), clip_values=(0.0, 1.0))
    labels = dd.as_classifier(svm, input_shape=(1, 8, 8))
    assert labels.outputs == "labels"
    assert labels(images).tolist() == svm.model.predict(rows).tolist()
    with pytest.raises(InputError, match=r"expected an input_shape \(C, H, W\) with C \* H \* W = 64, .*, got none"):
        dd.as_classifier(estimator)


def test_what_is_missing_is_said():
    estimator = torch_estimator(small_net())
    with pytest.raises(InputError, match="expected num_classes=4, as the ART classifier says, got 5"):
        dd.as_classifier(estimator, num_classes=5)
    with pytest.raises(InputError, match="expected an ART classifier with clip_values, got one without clip_values"):
        dd.as_classifier(torch_estimator(small_net(), clip_values=None))
    layout = ArtLayout(np.float32(0), np.float32(1), (1, 8, 8), "chw")
    with pytest.raises(InputError, match=r"expected inputs of shape \(N, 1, 8, 8\), got \(2, 8, 8\)"):
        layout.images(np.zeros((2, 8, 8)))
    clf = dd.as_classifier(estimator)
    estimator.model.train()
    with pytest.raises(ClassifierError, match="training mode"):
        dd.measure(clf, np.zeros((1, 1, 8, 8), np.float32), dd.probes.Gaussian([0.1], draws=2, seed=0))
