"""Shared pieces: a small seeded network and images for unit tests."""

from __future__ import annotations

import os
import tempfile

import numpy as np
import pytest
import torch

import doldrum as dd
from small_nets import small_net

# Which engine "auto" takes is remembered for this run of the tests only, not in the user's cache.
os.environ.setdefault("DOLDRUM_ENGINES", tempfile.mkdtemp(prefix="doldrum-engines-"))


@pytest.fixture(scope="session")
def net() -> torch.nn.Module:
    return small_net()


@pytest.fixture(scope="session")
def clf(net: torch.nn.Module) -> dd.Classifier:
    return dd.as_classifier(net, input_shape=(1, 8, 8), num_classes=4)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return np.random.default_rng(0).random((20, 1, 8, 8), dtype=np.float32)
