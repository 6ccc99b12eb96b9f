"""A backdoored model and clean images in a folder; the work of a repair is done in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from repair_folders import save
from repair_toys import clean_images, onnx_file

from doldrum.confined import sending
from doldrum.repairing import recipe
from doldrum.repairing.job import work as inside


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """run_confined without the confinement, and training of at least 60 steps in place of 200: what is learned is for others to test."""

    def here(function: str, argument: Any, *, limits: Any = None, on_message: Any = lambda message: None) -> Any:
        assert function == "doldrum.repairing.job.work:work"
        return json.loads(json.dumps(inside.work(json.loads(json.dumps(argument)), on_message), allow_nan=False))

    monkeypatch.setattr(sending, "run_confined", here)
    monkeypatch.setattr(recipe, "_LEAST_STEPS", 60)


@pytest.fixture
def folder(tmp_path: Path, near: None) -> Path:
    """bad.onnx, and clean.npz with labels."""
    onnx_file(tmp_path / "bad.onnx", author="somebody")
    save(tmp_path / "clean.npz", clean_images(120))
    return tmp_path
