"""Shared pieces: a small seeded network and images for unit tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import doldrum as dd
from small_nets import small_net


@pytest.fixture(scope="session")
def net() -> torch.nn.Module:
    return small_net()


@pytest.fixture(scope="session")
def clf(net: torch.nn.Module) -> dd.Classifier:
    return dd.as_classifier(net, input_shape=(1, 8, 8), num_classes=4)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return np.random.default_rng(0).random((20, 1, 8, 8), dtype=np.float32)
