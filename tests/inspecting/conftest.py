"""Inspections run in this process, with inspectors that take a moment, unless a test says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx_toys import Quick, Second, clean_file, here, references, toy_file

from doldrum.confined import sending
from doldrum.inspecting import references as examined
from doldrum.inspectors.kinds import INSPECTORS


@pytest.fixture(scope="session")
def toys(tmp_path_factory) -> Path:
    """bad.onnx, good.onnx, clean.npy and refs/ with 4 clean models."""
    folder = tmp_path_factory.mktemp("toys")
    toy_file(folder / "bad.onnx", 1, backdoor=True)
    toy_file(folder / "good.onnx", 2)
    clean_file(folder / "clean.npy")
    references(folder / "refs", 4)
    return folder


@pytest.fixture
def near(monkeypatch):
    """No confinement, and two quick inspectors; gives the first, which counts."""
    monkeypatch.setattr(sending, "run_confined", here)
    monkeypatch.setattr(examined, "run_confined", here)
    monkeypatch.setitem(INSPECTORS, "mask", Quick)
    monkeypatch.setitem(INSPECTORS, "warp", Second)
    for kind in (Quick, Second):
        monkeypatch.setattr(kind, "asked", 0)
        monkeypatch.setattr(kind, "ends", None)
    return Quick
