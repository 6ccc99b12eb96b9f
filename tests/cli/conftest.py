"""A model for the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from linear_onnx import linear_onnx


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """A grey 8 x 8 model of 4 classes in ONNX."""
    return linear_onnx(tmp_path_factory.mktemp("model") / "m.onnx")
