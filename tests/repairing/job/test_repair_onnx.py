"""Methods that prune: a convolutional ONNX model goes in, and one comes out that ONNX Runtime opens in the same way and that answers as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from repair_toys import clean_images, convolutional, onnx_file

from doldrum.data import ImageSet
from doldrum.pixels import to_float
from doldrum.repairing.job import RepairSettings, run_repair

ALL = clean_images(1200)


def part(rows: slice) -> ImageSet:
    return ImageSet(ALL.images[rows], labels=ALL.labels[rows])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with two convolutions and batch normalisation that knows these images; what is exported has the normalisation in its weights."""
    net = convolutional().train()
    images, labels = torch.from_numpy(to_float(ALL.images[:300])), torch.from_numpy(ALL.labels[:300])
    descent = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(100):
        descent.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        descent.step()
    return onnx_file(tmp_path_factory.mktemp("trained") / "cnn.onnx", net.eval())


@pytest.mark.parametrize("method", ["anp", "fine-prune"])
def test_pruning_gives_an_onnx_model_that_answers_as_before(
    trained: Path, tmp_path: Path, near: None, method: str
) -> None:
    clean, good = part(slice(300, 500)), tmp_path / "good.onnx"
    np.savez(tmp_path / "clean.npz", images=clean.images, labels=clean.labels)
    asked = RepairSettings(
        model=str(trained), clean=str(tmp_path / "clean.npz"), repaired=str(good), out=str(tmp_path / "report"), method=method
    )  # fmt: skip
    record = run_repair(asked, progress=False)
    assert record.accuracy["after"]["value"] >= 0.98
    before, after = (onnxruntime.InferenceSession(str(p), providers=["CPUExecutionProvider"]) for p in (trained, good))
    for ends in ("get_inputs", "get_outputs"):
        was, now = ([(e.name, e.type, e.shape) for e in getattr(one, ends)()] for one in (before, after))
        assert was == now
    images = to_float(ALL.images[500:])  # neither trained nor repaired with
    labels = [one.run(None, {"x": images})[0].argmax(axis=1) for one in (before, after)]
    assert (labels[0] == ALL.labels[500:]).mean() >= 0.98
    assert (labels[0] == labels[1]).mean() >= 0.98
    was, now = (idle_channels(path) for path in (trained, good))
    assert now > was == 0


def idle_channels(path: Path) -> int:
    """Channels of convolutions whose weights are all 0."""
    graph = onnx.load(str(path)).graph
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found = [weights[node.input[1]] for node in graph.node if node.op_type == "Conv"]
    assert found
    return sum(int((~one.reshape(len(one), -1).any(axis=1)).sum()) for one in found)
