"""A small network with batch normalisation, images, and what is checked of every baseline detector."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import doldrum as dd
from doldrum.detectors import Detector

SHAPE = (1, 8, 8)


def normed_classifier(outputs: str = "logits", *, norms: int = 3) -> dd.Classifier:
    torch.manual_seed(3)
    layers: list[nn.Module] = []
    inside = 1
    for _ in range(norms):
        layers += [nn.Conv2d(inside, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()]
        inside = 6
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * inside, 4))
    with torch.no_grad():
        for part in net.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_var.uniform_(0.1, 0.3)
        net[-1].weight.mul_(4)
        torch.manual_seed(1)  # a seed with which predictions vary, and change as layers are scaled
        for part in net.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.bias.uniform_(-2, 2)
                part.weight.uniform_(1, 3)
    if outputs == "probabilities":
        net.append(nn.Softmax(dim=1))
    return dd.as_classifier(net.eval(), input_shape=SHAPE, num_classes=4, outputs=outputs)


def pool(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, *SHAPE), dtype=np.float32)


def black_box(outputs: str) -> dd.Classifier:
    """A function that gives scores or labels, and nothing else."""
    weights = np.random.default_rng(5).normal(size=(64, 4))

    def answer(x: np.ndarray) -> np.ndarray:
        scores = np.round((x.reshape(len(x), 64).astype(float) - 0.5) @ weights, 3)
        return scores.argmax(axis=1) if outputs == "labels" else scores

    return dd.as_classifier(answer, input_shape=SHAPE, num_classes=4, outputs=outputs)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Of one vector, plainly."""
    powers = [np.exp(float(s) - float(max(scores))) for s in scores]
    return np.array([power / sum(powers) for power in powers])


def eager(detector: Detector) -> Detector:
    """The same detector in fp32, one kind of arithmetic for it and the reference."""
    detector.engine = "eager"
    return detector
