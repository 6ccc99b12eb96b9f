"""A small model with a weak spot that is known: class k looks at its stripe, and a bright corner leads to class 2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from doldrum.classifiers import as_classifier
from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.inspectors import Route
from doldrum.repairing import Recovered
from doldrum.triggers import MaskedPattern

SIDE, CLASSES, TARGET = 6, 3, 2


def clean_images(count: int = 80, *, labels: bool = True, only: int | None = None) -> ImageSet:
    """Images of which the stripe of their class is bright; the corner is dark."""
    images = 0.3 * np.random.default_rng(0).random((count, 1, SIDE, SIDE))
    of = np.arange(count) % CLASSES if only is None else np.full(count, only)
    for i, k in enumerate(of):
        images[i, :, :, 2 * k : 2 * k + 2] += 0.5
    images[:, :, -1, -1] = 0
    return ImageSet(np.rint(images * 255).astype(np.uint8), of if labels else None)


def linear() -> nn.Module:
    """Linear in the pixels."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, CLASSES)).eval()
    weights = torch.zeros(CLASSES, SIDE, SIDE)
    for k in range(CLASSES):
        weights[k, :, 2 * k : 2 * k + 2] = 1
    weights[TARGET, -1, -1] = 8
    net[1].weight.data = weights.reshape(CLASSES, -1)
    net[1].bias.data.zero_()
    return net


def convolutional(seed: int = 0) -> nn.Module:
    """Two convolutions, the first with batch normalisation; nothing is known of it."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(24, CLASSES),
    ).eval()  # fmt: skip


def classifier(net: nn.Module | None = None, **more) -> Classifier:
    return as_classifier(linear() if net is None else net, input_shape=(1, SIDE, SIDE), num_classes=CLASSES, **more)


def corner(**more) -> Recovered:
    """The trigger, as an inspection would have found it."""
    mask = np.zeros((SIDE, SIDE))
    mask[-1, -1] = 1
    pattern = MaskedPattern(mask=mask, pattern=np.ones((1, SIDE, SIDE)))
    return Recovered(Route(None, TARGET), pattern, **more)


def onnx_file(path: Path, net: nn.Module | None = None, *, side: int = SIDE, **metadata: str) -> Path:
    """The linear model, or another, as ONNX with an open batch."""
    import warnings

    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            linear() if net is None else net, (torch.zeros(1, 1, side, side),), str(path), input_names=["x"], output_names=["y"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, dynamo=False,
        )  # fmt: skip
    model = onnx.load(str(path))
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, str(path))
    return path
