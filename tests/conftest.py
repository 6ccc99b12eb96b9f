"""Shared pieces: a small seeded network and images for unit tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import doldrum as dd


def small_net(classes: int = 4, shape: tuple[int, int, int] = (1, 8, 8), seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    c, h, w = shape
    net = torch.nn.Sequential(
        torch.nn.Conv2d(c, 8, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * (h // 2) * (w // 2), classes),
    )
    # Larger weights spread the labels, so that noise changes some of them.
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(3)
    return net.eval()


@pytest.fixture(scope="session")
def net() -> torch.nn.Module:
    return small_net()


@pytest.fixture(scope="session")
def clf(net: torch.nn.Module) -> dd.Classifier:
    return dd.as_classifier(net, input_shape=(1, 8, 8), num_classes=4)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return np.random.default_rng(0).random((20, 1, 8, 8), dtype=np.float32)
