"""`bench/engines.py` on a network of a second: what `--device cuda` runs too, but for the device."""

from __future__ import annotations

import argparse

import pytest
import torch
from benches import bench as load


@pytest.fixture(scope="module")
def bench():
    return load("engines")


def test_flops_hold_the_products_of_attention(bench) -> None:
    """By hand: patches, four blocks of linear layers and of attention, the head."""
    tokens, width = 64, 96
    block = tokens * width * (3 * width + width + 2 * 2 * width) + 2 * tokens * tokens * width
    macs = tokens * 48 * width + 4 * block + 10 * width
    net = bench.build("vit-small", input_shape=(3, 32, 32), num_classes=10).eval()
    assert bench.flops_of(net, (3, 32, 32)) == 2 * macs


def test_rates_shares_and_labels_of_a_small_network(bench, monkeypatch) -> None:
    monkeypatch.setitem(bench.NETWORKS, "small", ("mlp", (1, 8, 8)))
    args = argparse.Namespace(
        draws=7, inputs=2, repeats=2, engines_only=False, processor_time=True, check=True, device="cpu"
    )
    side = 64
    left = torch.ones(side, side)
    products = {"ceiling fp32": (lambda: torch.mm(left, left), 2 * side**3)}
    rows = {row["engine"]: row for row in bench.measure_network("small", ["eager", "onnxruntime-fp32"], products, args)}
    assert {"ceiling fp32", "plain loop", "eager", "onnxruntime-fp32"} <= set(rows)
    assert rows["ceiling fp32"]["share_of_ceiling"] == {"median": 1.0, "min": 1.0, "max": 1.0}
    assert rows["eager"]["agreement"] == 1.0
    for row in rows.values():
        assert row["mflop"] == 2 * (64 * 256 + 256 * 128 + 128 * 10) / 1e6
        assert row["forwards_per_second"] > 0
        assert row["share_of_ceiling"]["min"] <= row["share_of_ceiling"]["median"] <= row["share_of_ceiling"]["max"]
    assert rows["eager"]["tile"] == 64
