from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn

import doldrum as dd
from doldrum.errors import ClassifierError, InputError
from doldrum.networks import build
from doldrum.probes import probe_from_dict

P = dd.probes
NAMES = ("entropy", "confidence", "change")


@pytest.fixture(scope="module")
def normed() -> dd.Classifier:
    torch.manual_seed(0)
    net = build("fashion-cnn", input_shape=(1, 8, 8), num_classes=4)
    with torch.no_grad():
        for part in net.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.uniform_(0.5, 2)
                part.bias.uniform_(-1, 1)
                part.running_mean.uniform_(-0.2, 0.2)
    return dd.as_classifier(net, input_shape=(1, 8, 8), num_classes=4)


PROBES = {
    "batch-norm-scale": P.BatchNormScale([0, 1, 4], omega=2.5),
    "dropout": P.Dropout([0.0, 0.3, 0.8], draws=3, seed=2),
    "dropout-linear": P.Dropout([0.0, 0.3, 0.8], draws=3, seed=2, where="linear"),
    "channel-ablation": P.ChannelAblation([0.0, 0.3, 0.9], draws=3, seed=2, layers=2),
}


@pytest.mark.parametrize("name", PROBES)
def test_labels_depend_on_no_batch_order_or_slice(name, normed, images) -> None:
    probe = PROBES[name]
    before = normed.fingerprint
    whole = dd.measure(normed, images, probe, readouts=NAMES)
    for batch_size in (1, 7):
        again = dd.measure(normed, images, probe, batch_size=batch_size, readouts=NAMES)
        assert np.array_equal(again.draws, whole.draws)
        assert np.array_equal(again.readouts["change"], whole.readouts["change"])
    assert np.array_equal(dd.measure(normed, images[::-1].copy(), probe).draws[::-1], whole.draws)
    assert np.array_equal(dd.measure(normed, images[5:9], probe).draws, whole.draws[5:9])
    assert normed.fingerprint == before
    assert np.array_equal(whole.draws[:, 0], np.repeat(whole.labels[:, None], probe.draws, axis=1))
    assert np.abs(whole.readouts["change"][:, 0]).max() < 1e-6
    assert whole.readouts["change"][:, 2].max() > 0.02
    again = probe_from_dict(probe.to_dict())
    assert again.to_dict() == probe.to_dict()
    assert np.array_equal(dd.measure(normed, images, again).draws, whole.draws)


def test_a_compiled_engine_answers_alike(normed, images) -> None:
    probe = PROBES["batch-norm-scale"]
    eager = dd.measure(normed, images, probe, readouts=NAMES)
    assert eager.info["engine"]["engine"] == "eager"
    fast = dd.measure(normed, images, probe, engine="openvino-fp32", readouts=NAMES, batch_size=8)
    for name in NAMES:
        assert np.abs(fast.readouts[name] - eager.readouts[name]).max() < 1e-3
    probe = P.Dropout([0.3], draws=1, seed=2)
    drop = dd.measure(normed, images, probe, readouts=NAMES)
    fast = dd.measure(normed, images, probe, engine="openvino-fp32", readouts=NAMES)
    assert np.abs(fast.readouts["change"] - drop.readouts["change"]).max() < 1e-3


def test_batch_norm_scale_multiplies_the_last_layers(normed, images) -> None:
    r = dd.measure(normed, images, PROBES["batch-norm-scale"], readouts=NAMES)
    for c, number in enumerate((0, 1, 4)):
        net = copy.deepcopy(normed.module)
        layers = [part for part in net.modules() if isinstance(part, nn.BatchNorm2d)]
        for layer in layers[4 - number :]:
            layer.weight.data *= 2.5
            layer.bias.data *= 2.5
        with torch.no_grad():
            p = softmax(net(torch.from_numpy(images)).numpy().astype(float), axis=1)
        assert np.allclose(r.readouts["confidence"][:, c, 0], p[np.arange(20), r.labels], atol=1e-5)


def test_dropout_before_the_last_layer_is_its_formula() -> None:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 400), nn.ReLU(), nn.Linear(400, 3)).eval()
    clf = dd.as_classifier(net, input_shape=(1, 8, 8), num_classes=3)
    x = torch.rand(5, 1, 8, 8)
    probe = P.Dropout([0.25], draws=2, seed=9, where="linear")
    with torch.no_grad():
        hidden = net[:3](x)
        for j in range(2):
            u = torch.from_numpy(dd.seeds.rng(9, "dropout", j, 0).random((1, 400), dtype=np.float32))
            expected = net[3](hidden * (u >= 0.25) / 0.75)
            assert np.allclose(probe.model(clf, 0, j)(x.numpy()), expected, atol=1e-5)
            assert 0.15 < (u < 0.25).float().mean() < 0.35
    # Behind the last activation is the same place in this network.
    behind = P.Dropout([0.25], draws=2, seed=9, where=["2"])
    assert np.allclose(behind.model(clf, 0, 1)(x.numpy()), probe.model(clf, 0, 1)(x.numpy()))
    assert np.allclose(
        P.Dropout([0.25], seed=9).model(clf, 0, 1)(x.numpy()), probe.model(clf, 0, 1)(x.numpy())
    )  # no blocks: activations


def test_an_activation_used_twice_is_dropped_from_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu, self.a, self.b = nn.ReLU(), nn.Linear(64, 6), nn.Linear(6, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.relu(self.b(self.relu(self.a(x.flatten(1))))) + x.flatten(1)[:, :5]

    torch.manual_seed(0)
    net = Twice().eval()
    clf = dd.as_classifier(net, input_shape=(1, 8, 8), num_classes=5)
    x = torch.rand(4, 1, 8, 8)
    model = P.Dropout([0.5], draws=1, seed=1, where="activations").model(clf, 0, 0)
    masks = [
        torch.from_numpy((dd.seeds.rng(1, "dropout", 0, k).random((1, n), dtype=np.float32) >= 0.5) * np.float32(2))
        for k, n in enumerate((6, 5))
    ]
    with torch.no_grad():
        flat = x.flatten(1)
        expected = net.relu(net.b(net.relu(net.a(flat)) * masks[0])) * masks[1] + flat[:, :5]
        for _ in range(2):
            assert np.allclose(model(x.numpy()), expected, atol=1e-6)


def test_channel_ablation_cuts_the_share_asked_for(normed, images) -> None:
    probe = P.ChannelAblation([0.25], draws=1, seed=4, layers=1)
    net = copy.deepcopy(normed.module)
    last = [part for part in net.modules() if isinstance(part, nn.Conv2d)][-1]
    gone = dd.seeds.rng(4, "channel-ablation", 0, 0).permutation(128) < 32
    last.weight.data[torch.from_numpy(gone)] = 0
    with torch.no_grad():
        expected = net(torch.from_numpy(images))
    assert np.allclose(probe.model(normed, 0, 0)(images), expected, atol=1e-5)


def test_blocks_are_found_in_residual_networks() -> None:
    net = build("preact-resnet18", input_shape=(3, 8, 8), num_classes=3)
    clf = dd.as_classifier(net, input_shape=(3, 8, 8), num_classes=3)
    model = P.Dropout([0.5], draws=1).model(clf, 0, 0)
    hooked = [type(part).__name__ for part in model.module.modules() if part._forward_hooks]
    assert hooked == ["_PreActBlock"] * 8
    assert not any(part._forward_hooks for part in net.modules())


def test_classifiers_that_cannot_serve_are_refused_before_the_run(clf, images) -> None:
    black_box = dd.as_classifier(lambda x: np.zeros((len(x), 3)), input_shape=(1, 8, 8), num_classes=3)
    for probe in PROBES.values():
        with pytest.raises(ClassifierError, match=r"nn\.Module"):
            dd.measure(black_box, images, probe)
    with pytest.raises(ClassifierError, match="at least 4 batch-normalisation layers"):
        dd.measure(clf, images, PROBES["batch-norm-scale"])
    with pytest.raises(ClassifierError, match="at least 2 convolutions"):
        dd.measure(clf, images, PROBES["channel-ablation"])
    with pytest.raises(ClassifierError, match="named_modules"):
        dd.measure(clf, images, P.Dropout([0.1], where=["nothing"]))
    bare = dd.as_classifier(nn.Sequential(nn.Flatten()).eval(), input_shape=(1, 1, 4), num_classes=4)
    for where in ("activations", "linear", "blocks"):
        with pytest.raises(ClassifierError, match="names of modules"):
            P.Dropout([0.1], where=where).model(bare, 0, 0)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (P.Dropout, {"strengths": [1.0]}),
        (P.ChannelAblation, {"strengths": [1.5]}),
        (P.ChannelAblation, {"strengths": [0.5], "layers": 0}),
        (P.BatchNormScale, {"strengths": [1.5]}),
        (P.BatchNormScale, {"strengths": [1], "omega": 0}),
    ],
)
def test_wrong_settings_are_refused(kind, settings) -> None:
    with pytest.raises(InputError, match="expected"):
        kind(**settings)
