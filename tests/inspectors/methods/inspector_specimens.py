"""Models whose answers are known beforehand, as inspectors see them."""

from __future__ import annotations

import numpy as np
import torch

import doldrum as dd
from doldrum.inspectors.contract.subject import Subject, subject_of


class Linear(torch.nn.Module):
    """f(x) = W x + b of flat images (B, 1, n, n)."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray) -> None:
        super().__init__()
        self.head = torch.nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weight))
            self.head.bias.copy_(torch.from_numpy(bias))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x.flatten(1))


def linear(classes: int = 4, side: int = 6, seed: int = 0) -> Linear:
    chance = np.random.default_rng(seed)
    weight = chance.standard_normal((classes, side * side)).astype(np.float32)
    return Linear(weight, -weight.sum(axis=1) / 2)  # grey is given no class before another


def subject_for(module: torch.nn.Module, images: np.ndarray, classes: int = 4, **more: object) -> Subject:
    classifier = dd.as_classifier(module.eval(), input_shape=images.shape[1:], num_classes=classes)
    return subject_of(classifier, images, 0, module=module, **more)


def noise(count: int, shape: tuple[int, int, int] = (1, 6, 6), seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((count, *shape), dtype=np.float32)
