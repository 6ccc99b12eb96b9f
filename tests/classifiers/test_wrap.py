from __future__ import annotations

import numpy as np
import pytest
import torch

import doldrum as dd
from doldrum.classifiers import labels_of
from doldrum.errors import ClassifierError, InputError
from small_nets import small_net


def test_a_module_gives_its_own_scores(net, clf, images) -> None:
    with torch.no_grad():
        assert np.array_equal(clf(images), net(torch.from_numpy(images)).numpy())


def test_the_fingerprint_follows_the_weights() -> None:
    known = {"input_shape": (1, 8, 8), "num_classes": 4}
    net = small_net()
    clf = dd.as_classifier(net, **known)
    before = clf.fingerprint
    assert before == dd.as_classifier(small_net(), **known).fingerprint
    with torch.no_grad():
        net[0].bias.add_(1)
    assert clf.fingerprint != before


def test_changed_weights_are_seen_by_the_next_measurement(images) -> None:
    net = small_net()
    clf = dd.as_classifier(net, input_shape=(1, 8, 8), num_classes=4)
    probe = dd.probes.Gaussian([0.3], draws=20)
    first = dd.measure(clf, images, probe)
    with torch.no_grad():
        net[-1].bias.copy_(torch.tensor([0.0, 0.0, 0.0, 1e4]))
    assert (dd.measure(clf, images, probe).draws == 3).all()
    assert not (first.draws == 3).all()


def test_a_function_may_write_to_its_batch_without_harm(images) -> None:
    def spoils(x: np.ndarray) -> np.ndarray:
        x *= 0
        return x.reshape(len(x), -1)[:, :3]

    before = images.copy()
    dd.as_classifier(spoils, input_shape=(1, 8, 8), num_classes=3)(images)
    assert np.array_equal(images, before)


@pytest.mark.parametrize(
    ("model", "options", "word"),
    [
        (lambda x: x, {}, "input_shape and num_classes"),
        (lambda x: x, {"input_shape": (8, 8), "num_classes": 3}, "channels, height, width"),
        (lambda x: x, {"input_shape": (1, 8, 8), "num_classes": 1}, "at least 2"),
        (lambda x: x, {"input_shape": (1, 8, 8), "num_classes": 3, "outputs": "scores"}, "outputs"),
        (42, {"input_shape": (1, 8, 8), "num_classes": 3}, "got int"),
    ],
)
def test_wrong_models_and_settings_are_refused(model, options, word) -> None:
    with pytest.raises(InputError, match=word):
        dd.as_classifier(model, **options)


def test_a_model_that_returns_a_dict_is_named(images) -> None:
    class Wrapped(torch.nn.Module):
        def forward(self, x):
            return {"logits": x}

    clf = dd.as_classifier(Wrapped().eval(), input_shape=(1, 8, 8), num_classes=4)
    with pytest.raises(ClassifierError, match="expected a tensor"):
        clf(images)


def test_labels_are_the_first_best_class_and_minus_one_without_finite_scores() -> None:
    scores = np.array([[1, 3, 2], [5, 5, 0], [np.nan, 9, 1], [np.inf, 0, 0], [0, -np.inf, 0]], np.float32)
    assert labels_of(scores).tolist() == [1, 0, -1, -1, -1]
    huge = np.full((1, 3), np.finfo(np.float32).max, np.float32)
    assert labels_of(huge).tolist() == [0]
