"""doldrum explain, and doldrum repair with what it proved: what is printed, the files, the exit codes, and errors in flags."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from repair_toys import TARGET, clean_images, corner, onnx_file

from doldrum.confined import sending


def here(function: str, argument: Any, *, limits: Any = None, on_message: Any = lambda message: None) -> Any:
    """run_confined without the confinement."""
    module, _, name = function.partition(":")
    work = getattr(importlib.import_module(module), name)
    return json.loads(json.dumps(work(json.loads(json.dumps(argument)), on_message), allow_nan=False))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The backdoored model, clean images with labels, and two images with the trigger, in the working folder."""
    monkeypatch.setattr(sending, "run_confined", here)
    monkeypatch.chdir(tmp_path)
    onnx_file(tmp_path / "bad.onnx")
    clean = clean_images(200)
    np.savez(tmp_path / "clean.npz", images=clean.images, labels=clean.labels)
    flagged = corner().trigger(clean.images[clean.labels != TARGET][:2])
    np.save(tmp_path / "flagged.npy", np.rint(255 * flagged).astype(np.uint8))
    np.save(tmp_path / "plain.npy", clean.images[:1])
    return tmp_path


def test_what_explain_proved_repair_unlearns(folder: Path, call: Any) -> None:
    code, _, said = call(
        "explain", "bad.onnx", "flagged.npy", "--clean", "clean.npz", "--seed", "1", "--out", "why it is"
    )
    assert code == 3
    assert (
        "trigger.json contains the trigger that was found in 000000. Of the 2 proven triggers, this trigger changes the prediction of the most held-back images: "
        in said
    )
    assert "doldrum repair --explanation 'why it is' unlearns this trigger" in said
    code, told, said = call(
        "repair", "bad.onnx", "--clean", "clean.npz", "--explanation", "why it is", "--out", "good.onnx", "--json"
    )
    assert code == 0
    assert told["verdict"]["word"] == "trigger gone"
    assert told["recovered"] == {"inspector": None, "source": None, "target": TARGET}
    assert told["success"]["before"]["value"] > 0.95
    assert told["command"].endswith("--explanation 'why it is' --seed 0")
    assert (folder / "good.onnx").is_file()
    assert (folder / "good-report" / "report.html").is_file()
    code, _, said = call(
        "repair", "bad.onnx", "--clean", "clean.npz", "--explanation", "why it is", "--out", "good.onnx"
    )
    assert code == 0
    assert "is already finished; nothing was done" in said
    assert "With the trigger that the explanation proved, " in said


def test_what_proves_nothing_repairs_nothing(folder: Path, call: Any) -> None:
    code, _, said = call("explain", "bad.onnx", "plain.npy", "--clean", "clean.npz", "--out", "why")
    assert code == 0
    assert "trigger.json" not in said
    assert not (folder / "why" / "trigger.json").exists()
    words = ("repair", "bad.onnx", "--clean", "clean.npz", "--out", "good.onnx")
    for more, told in (
        (["--explanation", "why"], "which proved no trigger; leave --explanation out"),
        (["--explanation", "why", "--inspection", "why"], "expected --inspection or --explanation, got both"),
        (["--inspection", "why"], "the folder of an explanation; give this folder as --explanation"),
        (["--explanation", "nowhere"], "nowhere, which has no record.json; doldrum explain makes one"),
        (["--method", "unlearn"], "expected --inspection or --explanation for the method unlearn"),
    ):
        code, _, said = call(*words, *more)
        assert code == 2
        assert told in said
    assert not (folder / "good.onnx").exists()
    assert not (folder / "good-report").exists()
