"""A tile goes through OpenVINO in slices that fit into a core's cache: how large they are, and that answers stay the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import doldrum as dd
from doldrum.engines import openvino as ov_engine
from doldrum.engines.slices import slice_rows

pytest.importorskip("openvino")

MIB = 1 << 20


def test_slices_have_the_least_traffic() -> None:
    """Against a count over every slice, byte by byte, for networks and tiles of any kind."""
    chance = np.random.default_rng(0)
    for _ in range(50):
        rows, weights = int(chance.integers(1, 65)), int(10 ** chance.uniform(3, 8))
        layers = [int(10 ** chance.uniform(3, 7)) for _ in range(chance.integers(1, 30))]
        found = slice_rows(rows, weights=weights, layers=layers)

        def bytes_a_row(each: int, rows: int = rows, weights: int = weights, layers: list[int] = layers) -> float:
            total = 0.0
            for start in range(0, rows, each):
                rest = min(each, rows - start) / each  # an empty row costs what a full one does; it isn't counted here
                total += rest * (weights + sum(each * size for size in layers if each * size > 2 * MIB))
            return total / rows

        even = [s for s in range(2, rows + 1) if rows % s == 0] or [rows]
        assert bytes_a_row(found) <= 1.05 * min(map(bytes_a_row, even)) + 1e-6
        assert -(-rows // found) * found - rows <= rows / 20
        assert found >= min(2, rows)


def test_known_networks() -> None:
    assert slice_rows(64, weights=1000, layers=[MIB // 8]) == 16  # sixteen rows just fit
    assert slice_rows(64, weights=0, layers=[4 * MIB]) == 64  # none fits: fewer calls
    assert slice_rows(64, weights=100 * MIB, layers=[MIB]) == 64  # all weights for every slice would cost more
    assert slice_rows(7, weights=0, layers=[MIB]) == 7  # slices of two would leave a row of eight empty
    assert slice_rows(1, weights=0, layers=[MIB]) == 1


@pytest.mark.parametrize("each", [2, 4])
def test_traffic_counts_what_passes_between_layers(each) -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 4)).eval()
    clf = dd.as_classifier(net, input_shape=(3, 8, 8), num_classes=4)
    model = ov_engine._graph(ov_engine.openvino_library(), clf)
    model.reshape([5, 3, 8, 8])
    weights, layers = ov_engine._traffic(model, 5, each=each)
    assert layers == [each * (3 * 64 + 8 * 64), each * (8 * 64 + 4)]
    assert each * (8 * 27 + 4 * 512) <= weights <= each * (8 * 27 + 4 * 512 + 50)  # biases, and the sizes of a reshape


def test_attention_counts_as_a_layer_of_what_moves() -> None:
    class Attention(nn.Module):
        def forward(self, x):
            tokens = x.flatten(2)
            return torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens).mean(dim=1)[:, :4]

    clf = dd.as_classifier(Attention().eval(), input_shape=(3, 4, 4), num_classes=4)
    model = ov_engine._graph(ov_engine.openvino_library(), clf)
    model.reshape([2, 3, 4, 4])
    assert ov_engine._traffic(model, 2, each=4)[1] == [4 * 4 * 3 * 16]


@pytest.mark.parametrize(("rows", "each"), [(8, 2), (8, 4), (8, 8), (21, 11)])
def test_a_tile_in_slices_gives_the_scores_of_the_whole(clf, images, monkeypatch, rows, each) -> None:
    """Also where the last slice has a row more than the tile (21 in slices of 11)."""
    monkeypatch.setattr(ov_engine, "slice_rows", lambda rows, **traffic: each)
    engine = ov_engine.OpenVINOEngine(clf, rows=rows, precision="fp32")
    assert engine.compiled.input(0).shape[0] == each
    many = np.concatenate([images, 1 - images, images / 2])
    seen: list[int] = []

    def fill(start):
        def write(buffer):
            assert buffer.shape == (rows, 1, 8, 8)
            block = many[start : start + rows]
            buffer[: len(block)], buffer[len(block) :] = block, 0

        return write

    def sink(key, output):
        seen.append(key)
        assert output.shape == (rows, 4)
        block = many[key : key + rows]
        np.testing.assert_allclose(output[: len(block)], clf(block), atol=1e-4)

    starts = list(range(0, len(many), rows))
    engine.run(((s, fill(s)) for s in starts), sink)
    assert seen == starts
