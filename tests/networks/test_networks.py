"""Reference networks: shapes, normalisation, export, cost."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
import torch

from doldrum.errors import InputError, MissingExtraError
from doldrum.networks import NETWORKS, build
from doldrum.training.checkpoint import load_checkpoint, save_checkpoint

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_takes_every_shape_and_gives_finite_logits(name, shape):
    net = build(name, input_shape=shape, num_classes=7)
    assert not any(part.training for part in net.modules())
    with torch.inference_mode():
        out = net(torch.rand(3, *shape))
    assert out.shape == (3, 7)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("shape", [(1, 7, 9), (2, 3, 5)])
def test_fashion_cnn_takes_odd_sizes(shape):
    assert build("fashion-cnn", input_shape=shape, num_classes=2)(torch.rand(2, *shape)).shape == (2, 2)


def test_the_first_layer_normalises_with_buffers_that_are_saved():
    net = build("mlp", input_shape=(3, 8, 8), num_classes=2)
    net[0].mean.fill_(0.2)
    net[0].std.fill_(0.4)
    torch.testing.assert_close(net[0](torch.full((1, 3, 8, 8), 0.6)), torch.ones(1, 3, 8, 8))
    assert {"0.mean", "0.std"} <= set(net.state_dict())


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [("no-such", (1, 8, 8), 2), ("mlp", (8, 8), 2), ("mlp", (1, 0, 8), 2), ("mlp", (1, 8, 8), 1)],
)
def test_what_cannot_be_built_is_refused(name, shape, classes):
    with pytest.raises(InputError, match=r"expected .*, got"):
        build(name, input_shape=shape, num_classes=classes)


def test_preact_resnet18_has_the_published_size():
    parameters = sum(p.numel() for p in build("preact-resnet18", input_shape=(3, 32, 32), num_classes=10).parameters())
    assert parameters == pytest.approx(11.17e6, rel=0.005)


def test_resnet_small_has_the_layers_it_says():
    from torch.utils.flop_counter import FlopCounterMode

    net = build("resnet-small", input_shape=(1, 28, 28), num_classes=10)
    # (inside, outside, kernel, side of what comes out): the stem, three blocks of two convolutions, two projections
    layers = [(1, 16, 3, 14), (16, 16, 3, 14), (16, 16, 3, 14), (16, 64, 3, 7), (64, 64, 3, 7), (16, 64, 1, 7)]
    layers += [(64, 128, 3, 4), (128, 128, 3, 4), (64, 128, 1, 4)]
    weights = sum(i * o * k**2 + 2 * o for i, o, k, _ in layers) + 128 * 10 + 10  # scale and shift of each norm
    assert sum(p.numel() for p in net.parameters()) == weights
    with FlopCounterMode(display=False) as counted, torch.inference_mode():
        net(torch.rand(1, 1, 28, 28))
    assert counted.get_total_flops() == 2 * (sum(i * o * (k * side) ** 2 for i, o, k, side in layers) + 128 * 10)


def test_a_residual_block_whose_branch_gives_nothing_passes_on_its_input():
    from doldrum.networks.own import _ResidualBlock

    same, wider = _ResidualBlock(4, 4, 1).eval(), _ResidualBlock(4, 8, 2).eval()
    for block in (same, wider):
        block.inner[2].weight.data.zero_()
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(same(x), x.clamp_min(0))
    projected = torch.einsum("oi,bihw->bohw", wider.shortcut[0].weight[:, :, 0, 0], x[:, :, ::2, ::2])
    torch.testing.assert_close(
        wider(x), (projected / (1 + 1e-5) ** 0.5).clamp_min(0)
    )  # a fresh norm divides by its epsilon


@pytest.mark.parametrize("name", ["fashion-cnn", "resnet-small", "vit-small"])
def test_openvino_converts_a_network_and_agrees(name):
    ov = pytest.importorskip("openvino")
    net = build(name, input_shape=(1, 28, 28), num_classes=10)
    x = torch.rand(4, 1, 28, 28)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's tracer calls itself deprecated; OpenVINO still uses it
        converted = ov.convert_model(net, example_input=x)
    compiled = ov.compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    with torch.inference_mode():
        np.testing.assert_allclose(compiled([x.numpy()])[0], net(x).numpy(), atol=1e-3)


class _FakeTimm:
    """timm needs torchvision, which doesn't import beside the CPU torch used here; this has the three functions that we call."""

    @staticmethod
    def is_model(name):
        return name in ("tiny_conv", "tiny_vit")

    @staticmethod
    def create_model(name, *, pretrained, in_chans, num_classes, **more):
        assert pretrained is False
        if name == "tiny_conv":
            if more:
                raise TypeError(f"unexpected {more}")
            return torch.nn.Sequential(
                torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(in_chans, num_classes)
            )
        assert more == {"img_size": (8, 8)}
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(in_chans * 64, num_classes))


@pytest.mark.parametrize("name", ["tiny_conv", "tiny_vit"])
def test_timm_architectures_are_built_saved_and_loaded(name, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "timm", _FakeTimm)
    net = build(f"timm/{name}", input_shape=(3, 8, 8), num_classes=4)
    assert net(torch.zeros(2, 3, 8, 8)).shape == (2, 4)
    meta = {"network": f"timm/{name}", "input_shape": (3, 8, 8), "num_classes": 4}
    again = load_checkpoint(save_checkpoint(tmp_path / "a.safetensors", net, meta))
    x = torch.rand(2, 3, 8, 8)
    assert np.allclose(again(x.numpy()), net(x).detach().numpy(), atol=1e-6)


def test_timm_is_asked_for_by_name_where_it_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError, match=r"doldrum\[timm\]"):
        build("timm/resnet18", input_shape=(3, 8, 8), num_classes=4)


@pytest.mark.parametrize("name", ["timm/hf-hub:a/b", "timm/hf_hub:x", "timm/../x", "timm/", "timm/A", 3, None])
def test_hub_names_and_paths_are_no_networks(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", _FakeTimm)
    with pytest.raises(InputError, match="expected the name of a network"):
        build(name, input_shape=(3, 8, 8), num_classes=4)


def test_an_unknown_timm_architecture_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", _FakeTimm)
    with pytest.raises(InputError, match="list_models"):
        build("timm/resnet18", input_shape=(3, 8, 8), num_classes=4)
