"""Models in their many forms, at the command line: options say how one is opened, and a detector's file keeps them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from model_forms import FIRST, NHWC, graph, onnx_forms, pictures
from PIL import Image

from doldrum.measuring import StoredResponses


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for name, part in (("clean", pictures(260, seed=7)), ("inbox", pictures(20, seed=8))):
        (folder / name).mkdir()
        for k, image in enumerate(part):
            Image.fromarray(image.transpose(1, 2, 0)).save(folder / name / f"{k:03d}.png")
    return folder


def test_a_guard_knows_how_its_model_was_opened(call, tmp_path, images):
    """Channels last, 0 to 255, less a mean, over a std: from flags alone, and then from the guard's file alone."""
    undo = [("Mul", [np.float32(64)], {}), ("Add", [np.float32(115)], {}), ("Div", [np.float32(255)], {}), FIRST]
    onnx.save(graph(undo, shape=NHWC), tmp_path / "m.onnx")
    flags = ["--scale", 255, "--mean", 115, "--std", 64]
    guard, clean = tmp_path / "guard.doldrum", images / "clean"
    code, _, said = call(
        "calibrate", tmp_path / "m.onnx", clean, *flags, "--detector", "w", "--fpr", 0.02, "--out", guard
    )
    assert code == 0, said
    assert "looks wrong" not in said
    code, found, said = call(
        "scan", tmp_path / "m.onnx", images / "inbox", "--detector", guard, "--out", tmp_path / "s", "--json"
    )
    assert code == 0, said
    assert found["inputs"] == 20
    scan = ["scan", tmp_path / "m.onnx", images / "inbox", "--detector", guard, "--out", tmp_path / "t"]
    code, _, said = call(*scan, "--mean", 0.5)
    assert code == 2
    assert "expected --mean 115.0 as the detector was calibrated with, got 0.5" in said
    onnx.save(graph([FIRST], shape=NHWC), tmp_path / "m.onnx")  # another model in its place
    code, _, said = call(*scan)
    assert code == 2
    assert "expected the classifier that the detector was fitted on" in said


def test_bytes_are_measured_and_the_record_says_that_noise_was_rounded(call, tmp_path, images):
    form = onnx_forms()["uint8 nhwc"]
    onnx.save(form.model, tmp_path / "m.onnx")
    out = tmp_path / "out"
    code, _, said = call(
        "measure", tmp_path / "m.onnx", images / "inbox", "--strengths", 0.1, "--draws", 20, "--out", out
    )
    assert code == 0, said
    assert any("rounded" in note for note in StoredResponses(out).info["notes"])


def test_wrong_pixels_are_said_with_the_flags_to_set(call, tmp_path, images):
    onnx.save(onnx_forms()["pixels to 255"].model, tmp_path / "m.onnx")
    code, found, said = call("doctor", tmp_path / "m.onnx", "--clean", images / "clean", "--json")
    assert code == 0, said
    assert found["check"]["rows"][0]["flags"].startswith("--scale 255")
    code, _, said = call(
        "measure", tmp_path / "m.onnx", images / "clean", "--strengths", 0.1, "--draws", 2, "--out", tmp_path / "out"
    )
    assert code == 0, said
    assert "note: with --scale 255" in said
    assert "its preprocessing looks wrong" in said
