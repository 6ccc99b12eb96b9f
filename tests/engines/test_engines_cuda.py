"""What only a GPU can show; skipped without one. `python bench/gpu.py` runs these first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from small_nets import small_net

import doldrum as dd
from doldrum.engines import choose_engine
from doldrum.engines.choose import candidates
from doldrum.engines.compiled import CompiledEngine
from doldrum.measuring.battery import Battery

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

SHAPE = (3, 32, 32)
PROBES = {
    "noise": dd.probes.Gaussian([0.05, 0.2], draws=40, seed=1),
    "clipped": dd.probes.Uniform([0.3], draws=9, seed=2, clip=True),
    "moved": dd.probes.Shift([1, 2], draws=5, seed=3),
}


@pytest.fixture(autouse=True)
def exact_fp32(monkeypatch, tmp_path) -> Iterator[None]:
    """fp32 as on a CPU: by default convolutions on a GPU round their factors to TF32. And a compiler that has compiled nothing yet."""
    torch.compiler.reset()  # it gives up on a function, such as nn.Sequential.forward, that it compiled 8 times
    monkeypatch.setenv("DOLDRUM_ENGINES", str(tmp_path / "engines"))
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).random((12, *SHAPE), dtype=np.float32)


def classifier(device: str) -> dd.Classifier:
    return dd.as_classifier(small_net(10, SHAPE).to(device), input_shape=SHAPE, num_classes=10)


def test_rows_made_on_the_gpu_are_the_cpus_bits(pictures) -> None:
    battery = Battery(PROBES, SHAPE)
    here = np.empty((len(pictures), battery.rows, *SHAPE), np.float32)
    for image, out in zip(pictures, here, strict=True):
        battery.fill(image, 0, battery.rows, out)
    there = torch.empty(here.shape, device="cuda")
    battery.fill_on(pictures, 0, battery.rows, there)
    assert np.array_equal(there.cpu().numpy(), here)


@pytest.mark.parametrize("engine", ["eager", "compile-fp32", "compile-bf16"])
def test_labels_are_those_of_the_cpu(engine, pictures) -> None:
    here = dd.measure(classifier("cpu"), pictures, PROBES, engine="eager")
    there = dd.measure(classifier("cuda"), pictures, PROBES, engine=engine)
    for name, found in there.items():
        assert (found.draws == here[name].draws).mean() >= 0.98, name
        assert (found.labels == here[name].labels).mean() >= 0.98, name


def test_labels_depend_on_no_batch_order_or_slice(pictures) -> None:
    clf = classifier("cuda")
    whole = dd.measure(clf, pictures, PROBES, engine="compile-bf16")
    again = dd.measure(clf, pictures[::-1][:5].copy(), PROBES, engine="compile-bf16", batch_size=2)
    for name, found in again.items():
        assert np.array_equal(found.draws, whole[name].draws[::-1][:5])


def test_scores_of_every_tile_come_back_whole(pictures) -> None:
    """Two pinned buffers, one graph whose output is written over at each replay: no tile may have another's scores."""
    clf = classifier("cuda")
    images = np.random.default_rng(1).random((200, *SHAPE), dtype=np.float32)
    assert np.allclose(CompiledEngine(clf, rows=8, precision="fp32")(images), clf(images), atol=1e-3)


def test_auto_takes_one_of_the_gpus_engines(pictures) -> None:
    clf = classifier("cuda")
    assert [name for name, _ in candidates(clf)] == ["compile", "compile", "eager"]
    _, choice = choose_engine(clf, "auto", rows=8, sample=np.concatenate([pictures] * 4))
    assert choice.agreement >= 0.98


def test_a_network_is_trained_on_the_gpu_and_opened_on_the_cpu(tmp_path) -> None:
    images = np.random.default_rng(2).integers(0, 256, (256, 1, 8, 8), dtype=np.uint8)
    images[::2, :, :4] //= 4
    data = dd.ImageSet(images, labels=np.arange(256) % 2)
    model = dd.train(data, recipe="digits-cnn", seed=0)
    assert next(model.module.parameters()).is_cuda
    floats = images.astype(np.float32) / 255
    model.save(tmp_path / "model.safetensors")
    opened = dd.load_checkpoint(tmp_path / "model.safetensors")
    assert (opened(floats).argmax(1) == model(floats).argmax(1)).mean() >= 0.98
    assert (model(floats).argmax(1) == data.labels).mean() > 0.9
