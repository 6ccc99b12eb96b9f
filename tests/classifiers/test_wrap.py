from __future__ import annotations

import numpy as np
import pytest
import torch
from small_nets import small_net

import doldrum as dd
from doldrum.classifiers import labels_of
from doldrum.errors import ClassifierError, InputError


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
        (lambda x: x, {}, "input_shape= and num_classes="),
        (lambda x: x, {"input_shape": (8, 8), "num_classes": 3}, "channels, height, width"),
        (lambda x: x, {"input_shape": (1, 8, 8), "num_classes": 1}, "at least 2"),
        (lambda x: x, {"input_shape": (1, 8, 8), "num_classes": 3, "outputs": "scores"}, "outputs"),
        (42, {"input_shape": (1, 8, 8), "num_classes": 3}, "got int"),
    ],
)
def test_wrong_models_and_settings_are_refused(model, options, word) -> None:
    with pytest.raises(InputError, match=word):
        dd.as_classifier(model, **options)


def test_a_model_that_returns_nothing_is_named(images) -> None:
    class Silent(torch.nn.Module):
        def forward(self, x):
            return None

    clf = dd.as_classifier(Silent().eval(), input_shape=(1, 8, 8), num_classes=4)
    with pytest.raises(ClassifierError, match="expected a tensor"):
        clf(images)


def test_labels_are_the_first_best_class_and_minus_one_without_finite_scores() -> None:
    scores = np.array([[1, 3, 2], [5, 5, 0], [np.nan, 9, 1], [np.inf, 0, 0], [0, -np.inf, 0]], np.float32)
    assert labels_of(scores).tolist() == [1, 0, -1, -1, -1]
    huge = np.full((1, 3), np.finfo(np.float32).max, np.float32)
    assert labels_of(huge).tolist() == [0]


@pytest.mark.parametrize("shape", ["abc", 4, (1, np.nan, 2), (1, 2.5, 2), (1, 0, 2), None, ("1", 2, 2), (1, True, 2)])
def test_a_shape_that_is_none_is_refused(shape) -> None:
    with pytest.raises(InputError, match="input_shape"):
        dd.as_classifier(lambda x: x, input_shape=shape, num_classes=3)


@pytest.mark.parametrize("classes", ["10", 2.7, np.nan, None, True, 40_000])
def test_a_number_of_classes_that_is_none_is_refused(classes) -> None:
    with pytest.raises(InputError, match="num_classes"):
        dd.as_classifier(lambda x: x, input_shape=(1, 8, 8), num_classes=classes)


@pytest.mark.parametrize("kind", ["half", "double", "bfloat16"])
def test_a_module_of_another_precision_is_measured(net, images, kind) -> None:
    other = getattr(small_net(), kind)()
    clf = dd.as_classifier(other, input_shape=(1, 8, 8), num_classes=4)
    with torch.no_grad():
        want = other(torch.from_numpy(images).to(clf.dtype)).float().numpy()
    assert np.array_equal(clf(images), want)
    r = dd.measure(clf, images[:4], dd.probes.Gaussian([0.1], draws=20))
    own = dd.measure(
        dd.as_classifier(net, input_shape=(1, 8, 8), num_classes=4), images[:4], dd.probes.Gaussian([0.1], draws=20)
    )
    assert (r.draws == own.draws).mean() > 0.9


def test_a_module_for_another_size_says_so(images) -> None:
    clf = dd.as_classifier(small_net(shape=(1, 16, 16)), input_shape=(1, 8, 8), num_classes=4)
    with pytest.raises(ClassifierError, match=r"takes images of shape \(20, 1, 8, 8\).*check input_shape"):
        clf(images)


def test_tensors_with_gradients_lists_and_booleans_will_do(images) -> None:
    net = small_net()
    known = {"input_shape": (1, 8, 8), "num_classes": 4}
    want = dd.as_classifier(net, **known)(images)
    for function in (
        lambda x: net(torch.from_numpy(x)),
        lambda x: net(torch.from_numpy(x)).tolist(),
    ):
        assert np.allclose(dd.as_classifier(function, **known)(images), want)
    light = dd.as_classifier(lambda x: x[:, 0, 0, 0] > 0.5, input_shape=(1, 8, 8), num_classes=2, outputs="labels")
    assert light(images).tolist() == [int(x) for x in images[:, 0, 0, 0] > 0.5]


@pytest.mark.parametrize(
    ("returned", "outputs", "word"),
    [
        (None, "logits", "got NoneType"),
        ({"logits": [[0, 1, 2]]}, "logits", "check num_classes"),
        ({"features": [[0, 1, 2, 3]]}, "logits", "got a dict of features list"),
        ([[1, 2], [3]], "logits", "got list"),
        (["cat"], "labels", "return integers"),
        ([["a", "b", "c", "d"]], "logits", "return floats"),
        ([np.nan], "labels", "got NaN"),
        ([0.5], "labels", "got fractions"),
        ([4], "labels", r"in \[0, 4\)"),
    ],
)
def test_what_is_no_answer_is_named(images, returned, outputs, word) -> None:
    clf = dd.as_classifier(lambda x: returned, input_shape=(1, 8, 8), num_classes=4, outputs=outputs)
    with pytest.raises(ClassifierError, match=word):
        clf(images[:1])


def test_a_checkpoint_of_ours_points_to_its_reader() -> None:
    with pytest.raises(InputError, match=r"open it with dd\.open_model"):
        dd.as_classifier("x.safetensors")
