from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.special import xlogy
from scipy.stats import norm
from small_nets import small_net

import doldrum as dd
from doldrum.errors import ClassifierError, InputError
from doldrum.responses import INVALID

PROBE = dd.probes.Gaussian([0.1, 0.3, 0.6], draws=70, seed=1)
ENGINES = ["eager", "openvino-fp32"]


def naive(net: torch.nn.Module, images: np.ndarray, probe: dd.probes.Gaussian) -> np.ndarray:
    """The plain loop: one input, one strength, one draw at a time."""
    from doldrum.seeds import rng

    out = np.zeros((len(images), len(probe.strengths), probe.draws), int)
    for i, x in enumerate(images):
        for c, sigma in enumerate(probe.strengths):
            for j in range(probe.draws):
                eps = rng(probe.seed, "gaussian", j).standard_normal(x.shape, dtype=np.float32)
                noisy = torch.from_numpy(x + np.float32(sigma) * eps)[None]
                out[i, c, j] = net(noisy)[0].argmax()
    return out


@pytest.mark.parametrize("engine", ENGINES)
def test_draws_equal_those_of_a_plain_loop(net, clf, images, engine) -> None:
    r = dd.measure(clf, images[:3], PROBE, engine=engine)
    with torch.no_grad():
        expected = naive(net, images[:3], PROBE)
        assert r.labels.tolist() == net(torch.from_numpy(images[:3])).argmax(1).tolist()
    # A draw whose two best scores tie within rounding may fall either way.
    assert (r.draws != expected).mean() < 0.005
    assert len(np.unique(r.draws)) > 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("draws", [3, 70])
def test_labels_depend_on_no_batch_order_or_slice(clf, images, engine, draws) -> None:
    probe = dd.probes.Gaussian([0.1, 0.3, 0.6], draws=draws, seed=1)
    whole = dd.measure(clf, images, probe, engine=engine, batch_size=256)
    for batch_size in (1, 7):
        again = dd.measure(clf, images, probe, engine=engine, batch_size=batch_size)
        assert np.array_equal(again.draws, whole.draws)
        assert np.array_equal(again.labels, whole.labels)
    backwards = dd.measure(clf, images[::-1].copy(), probe, engine=engine)
    assert np.array_equal(backwards.draws[::-1], whole.draws)
    part = dd.measure(clf, images[5:9], probe, engine=engine)
    assert np.array_equal(part.draws, whole.draws[5:9])


def test_another_process_gives_the_same_draws() -> None:
    code = (
        "import numpy as np, torch, doldrum as dd, hashlib, sys; sys.path.insert(0, 'tests/shared'); from small_nets import small_net;"
        "clf = dd.as_classifier(small_net(), input_shape=(1, 8, 8), num_classes=4);"
        "x = np.random.default_rng(0).random((20, 1, 8, 8), dtype=np.float32);"
        "r = dd.measure(clf, x, dd.probes.Gaussian([0.1, 0.3], draws=40, seed=5));"
        "print(hashlib.sha256(r.draws.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    clf = dd.as_classifier(small_net(), input_shape=(1, 8, 8), num_classes=4)
    x = np.random.default_rng(0).random((20, 1, 8, 8), dtype=np.float32)
    r = dd.measure(clf, x, dd.probes.Gaussian([0.1, 0.3], draws=40, seed=5))
    assert hashlib.sha256(r.draws.tobytes()).hexdigest() == other.strip()


@pytest.mark.parametrize("sigma", [0.1, 0.3])
def test_w_of_a_linear_classifier_lies_in_its_interval_at_the_stated_rate(sigma) -> None:
    """Label 1 where x > 0.5: p_1 is a normal tail, so W is known exactly."""
    clf = dd.as_classifier(
        lambda x: (x[:, 0, 0, 0] > 0.5).astype(int), input_shape=(1, 1, 1), num_classes=2, outputs="labels"
    )
    x = np.random.default_rng(3).random((60, 1, 1, 1)).astype(np.float32)
    p = norm.cdf((x.ravel() - 0.5) / sigma)
    truth = -(xlogy(p, p) + xlogy(1 - p, 1 - p)) / np.log(2)
    inside = []
    for seed in range(40):  # another seed, other draws: inputs of one run share theirs
        w = dd.smoothness(dd.measure(clf, x, dd.probes.Gaussian([sigma], draws=100, seed=seed)), level=0.9)
        inside.append((w.lower[:, 0] <= truth) & (truth <= w.upper[:, 0]))
    assert np.mean(inside) >= 0.9


def test_uint8_images_are_divided_by_255(clf) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 1, 8, 8), dtype=np.uint8)
    a = dd.measure(clf, pixels, PROBE)
    b = dd.measure(clf, pixels.astype(np.float32) / 255, PROBE)
    assert np.array_equal(a.draws, b.draws)


def test_scores_that_turn_nan_mark_their_draws_and_the_run_goes_on(images) -> None:
    def brittle(x: np.ndarray) -> np.ndarray:
        scores = x.reshape(len(x), -1)[:, :3].copy()
        scores[x[:, 0, 0, 0] > 0.9] = np.nan
        return scores

    clf = dd.as_classifier(brittle, input_shape=(1, 8, 8), num_classes=3)
    with pytest.warns(UserWarning, match="NaN or infinite scores for"):
        r = dd.measure(clf, images, PROBE)
    assert r.num_invalid == (r.draws == INVALID).sum() + (r.labels == INVALID).sum() > 0
    assert ((r.labels == INVALID) == (images[:, 0, 0, 0] > 0.9)).all()
    assert np.isfinite(dd.smoothness(r).value).all()


@pytest.mark.parametrize(
    ("function", "options", "error", "word"),
    [
        (lambda x: np.full((len(x), 3), np.nan), {}, ClassifierError, "finite scores"),
        (lambda x: np.full((len(x), 3), np.inf), {}, ClassifierError, "finite scores"),
        (lambda x: np.zeros((len(x), 4)), {}, ClassifierError, "shape"),
        (lambda x: np.zeros(len(x)), {}, ClassifierError, "shape"),
        (lambda x: np.zeros((len(x), 3)), {"outputs": "labels"}, ClassifierError, "shape"),
        (lambda x: np.full(len(x), 3), {"outputs": "labels"}, ClassifierError, "labels in"),
        (lambda x: np.full((len(x), 3), 2.0), {"outputs": "probabilities"}, ClassifierError, "sum to 1"),
        (lambda x: None, {}, ClassifierError, "expected"),
    ],
)
def test_a_broken_classifier_is_refused_before_the_run(function, options, error, word, images) -> None:
    clf = dd.as_classifier(function, input_shape=(1, 8, 8), num_classes=3, **options)
    with pytest.raises(error, match=word):
        dd.measure(clf, images, PROBE)


def test_a_model_in_training_mode_is_refused(images) -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(64, 3))
    with pytest.raises(ClassifierError, match=r"call model.eval\(\)"):
        dd.as_classifier(net, input_shape=(1, 8, 8), num_classes=3)
    clf = dd.as_classifier(net.eval(), input_shape=(1, 8, 8), num_classes=3)
    net.train()
    with pytest.raises(ClassifierError, match=r"call model.eval\(\)"):
        dd.measure(clf, images, PROBE)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (np.zeros((2, 1, 9, 9), np.float32), "shape"),
        (np.zeros((2, 3, 8, 8), np.float32), "shape"),
        (np.zeros((8, 8), np.float32), "N, C, H, W"),
        (np.full((2, 1, 8, 8), 255.0, np.float32), "255"),
        (np.full((2, 1, 8, 8), np.nan, np.float32), "NaN"),
        (np.zeros((0, 1, 8, 8), np.float32), "expected"),
    ],
)
def test_images_that_do_not_fit_are_refused_before_the_run(clf, wrong, word) -> None:
    with pytest.raises(InputError, match=word):
        dd.measure(clf, wrong, PROBE)


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"engine": "fast"}, {"batch_size": 1.5}])
def test_wrong_options_are_refused(clf, images, options) -> None:
    with pytest.raises(InputError, match="expected"):
        dd.measure(clf, images, PROBE, **options)


def test_softmax_outputs_declared_as_logits_are_noted(net, images) -> None:
    soft = torch.nn.Sequential(net, torch.nn.Softmax(dim=1)).eval()
    r = dd.measure(dd.as_classifier(soft, input_shape=(1, 8, 8), num_classes=4), images, PROBE)
    assert "look like probabilities" in r.info["notes"][0]


def test_the_engine_and_its_agreement_are_recorded(clf, images) -> None:
    info = dd.measure(clf, images, PROBE).info
    assert info["engine"]["agreement"] > 0.98
    assert info["engine"]["checked"] >= 20
    assert info["probe"]["draws"] == 70
    assert info["classifier"] == clf.fingerprint


def test_uint16_is_measured_as_its_floats_are(clf, images) -> None:
    deep = np.rint(images * 65535).astype(np.uint16)
    probe = dd.probes.Gaussian([0.1], draws=20)
    whole = dd.measure(clf, deep, probe)
    assert np.array_equal(whole.draws, dd.measure(clf, deep.astype(np.float32) / np.float32(65535), probe).draws)


@pytest.mark.parametrize(
    "kind", [lambda x: x > 0.5, lambda x: x.astype(complex), lambda x: x.astype(object), np.ma.masked_greater_equal]
)
def test_pixels_of_no_known_range_are_refused(clf, images, kind) -> None:
    pixels = kind(images, 0.5) if kind is np.ma.masked_greater_equal else kind(images)
    with pytest.raises(InputError, match="pixels"):
        dd.measure(clf, pixels, dd.probes.Gaussian([0.1], draws=2))


@pytest.mark.parametrize("batch_size", ["a", None, np.nan, 0, 1.5])
def test_a_batch_size_that_is_none_is_refused(clf, images, batch_size) -> None:
    with pytest.raises(InputError, match="batch_size"):
        dd.measure(clf, images, dd.probes.Gaussian([0.1], draws=2), batch_size=batch_size)


def test_more_labels_than_memory_are_refused_before_any_draw(clf, images) -> None:
    probe = dd.probes.Gaussian([0.1], draws=2)
    probe.draws, probe.bind = 10**12, lambda shape: pytest.fail("made draws")  # type: ignore[method-assign]
    with pytest.raises(InputError, match="fit in memory"):
        dd.measure(clf, images, probe)


def test_what_is_more_than_the_memory_there_is_is_refused_before_it_is_taken(clf, images, monkeypatch) -> None:
    """Linux would grant it, and kill the process as it is used."""
    for module in ("doldrum.probes.base", "doldrum.measuring.checks"):
        # Bytes: labels of 20 inputs x 300 draws.
        monkeypatch.setattr(f"{module}.fits_in_memory", lambda size: size <= 2 * 20 * 300)
        with pytest.raises(InputError, match=r"GiB; ask for fewer draws"):
            dd.measure(clf, images, dd.probes.Gaussian([0.1], draws=301))
        monkeypatch.undo()
    monkeypatch.setattr("doldrum.checks.available_memory", lambda: 2 * 20 * 300)
    monkeypatch.setattr("doldrum.probes.base.fits_in_memory", lambda size: True)
    assert len(dd.measure(clf, images, dd.probes.Gaussian([0.1], draws=300))) == 20
    with pytest.raises(InputError, match="write the labels to a folder while they are measured"):
        dd.measure(clf, images, dd.probes.Gaussian([0.1], draws=301), batch_size=1)


def test_channels_that_come_last_are_said(clf) -> None:
    with pytest.raises(InputError, match=r"images\.transpose\(0, 3, 1, 2\)"):
        dd.measure(clf, np.zeros((2, 8, 8, 1), np.float32), dd.probes.Gaussian([0.1]))
