"""`bench/gpu.py` on a CPU: everything but the device and the compiler."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from benches import bench as load
from small_nets import small_net

from doldrum.engines.compiled import CompiledEngine


@pytest.fixture
def bench(monkeypatch):
    module = load("gpu")
    tiny = module.Network(lambda shape: small_net(10, shape), (1, 8, 8), 32, 0.4)
    monkeypatch.setattr(module, "NETWORKS", {"tiny": tiny, "other": tiny})
    left = torch.ones(32, 32)
    monkeypatch.setattr(module, "product", lambda dtype, device: (lambda: torch.mm(left, left), 2 * 32**3))
    monkeypatch.setattr(torch, "compile", lambda module, **options: module)
    return module


def run(bench, tmp_path, *more: str) -> tuple[int, dict]:
    code = bench.main(["--device", "cpu", "--quick", "--no-tests", "--json", str(tmp_path / "out.json"), *more])
    return code, json.loads((tmp_path / "out.json").read_text())


def test_every_cell_has_rate_share_and_labels(bench, tmp_path, capsys) -> None:
    code, found = run(bench, tmp_path)
    assert code == 0
    assert [(row["network"], row["engine"], row["rows"]) for row in found["rows"]] == [
        (network, engine, rows)
        for network in ("tiny", "other")
        for engine in ("eager-fp32", "compile-bf16")
        for rows in (64, 16)
    ]
    for row in found["rows"]:
        assert row["mflop"] == 2 * (64 * 8 * 9 + 10 * 128) / 1e6
        assert row["agreement"] >= 0.98
        assert 0 < row["kept_by_noise"] < 1
        for how in ("measure", "alone"):
            share = row[how]["per_second"] * row["mflop"] * 1e6 / (row["ceiling_tflops"] * 1e12)
            assert row[how]["share"]["median"] == pytest.approx(share)
    assert found["seed"] == 0
    assert {"device", "date", "versions", "machine", "load_average", "seconds"} <= set(found)
    told = capsys.readouterr().out
    assert told.count("labels as the CPU's") == 8
    assert told.count("(aim 0.40)") == 4


def test_without_a_gpu_it_says_so_and_begins_nothing(bench, monkeypatch, capsys) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert bench.main([]) == 2
    assert "expected a CUDA device, got none" in capsys.readouterr().err


def test_what_there_is_no_time_for_is_told(bench, tmp_path, capsys) -> None:
    code, found = run(bench, tmp_path, "--budget", "0")
    assert code == 1
    assert [row["not_run"] for row in found["rows"]] == ["the time was over before it began"] * 8
    assert capsys.readouterr().out.count("NOT RUN") == 8


def test_an_engine_that_cannot_be_made_is_told_and_the_others_run(bench, tmp_path, monkeypatch) -> None:
    def broken(module, **options):
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch, "compile", broken)
    code, found = run(bench, tmp_path, "--networks", "tiny")
    assert code == 1
    assert ["not_run" in row for row in found["rows"]] == [False, False, True, True]
    assert "no compiler here" in found["rows"][2]["not_run"]


def test_labels_of_another_model_are_seen(bench, tmp_path, monkeypatch) -> None:
    plain = CompiledEngine._call
    monkeypatch.setattr(CompiledEngine, "_call", lambda self, batch: -plain(self, batch))
    code, found = run(bench, tmp_path, "--networks", "tiny")
    assert code == 1
    assert [row["agreement"] >= 0.98 for row in found["rows"]] == [True, True, False, False]


def test_a_taught_network_knows_its_pictures_and_noise_changes_its_labels(bench) -> None:
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    shape = (3, 16, 16)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 32, 3, 2), torch.nn.BatchNorm2d(32), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(32 * 49, 10),
    ).eval()  # fmt: skip
    classes = bench.pictures(shape, 10, rng)
    assert classes.shape == (10, *shape)
    bench.teach(net, classes, rng)
    assert not any(layer.training for layer in net.modules())
    images = torch.from_numpy(bench.mixed(classes, 200, rng))
    with torch.no_grad():
        assert net(torch.from_numpy(classes)).argmax(1).tolist() == list(range(10))
        before, after = net(images).argmax(1), net(images + 0.3 * torch.randn(images.shape)).argmax(1)
    assert 0.3 < (before == after).float().mean() < 1


def test_resnet50_is_the_published_one(bench) -> None:
    """Parameters and MACs as torchvision gives them for 1,000 classes."""
    net = bench.resnet50(3, 1000)
    assert sum(p.numel() for p in net.parameters()) == 25_557_032
    assert bench.flops_of(net, (3, 224, 224)) / 2e9 == pytest.approx(4.089, abs=0.001)
