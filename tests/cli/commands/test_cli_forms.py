"""Models in their many forms, at the command line: options say how one is opened, and a detector's file keeps them."""

from __future__ import annotations

import re

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
    assert code in (0, 3), said  # the seed is secret: more than one of 20 is flagged now and then
    assert found["inputs"] == 20
    scan = ["scan", tmp_path / "m.onnx", images / "inbox", "--detector", guard, "--out", tmp_path / "t"]
    code, _, said = call(*scan, "--mean", 0.5)
    assert code == 2
    assert (
        f"expected --mean 115, as in the calibration of the detector {guard}, got 0.5; leave this option out, or calibrate again"
        in said
    )
    code, _, said = call(
        *scan,
        "--mean",
        "115,115,115",
        "--scale",
        255,
        "--channels",
        "rgb",
        "--resize",
        "stretch",
        "--outputs",
        "logits",
    )
    assert code in (0, 3), said  # the same, and defaults
    assert "flagged" in said
    onnx.save(graph([FIRST], shape=NHWC), tmp_path / "m.onnx")  # another model in its place
    code, _, said = call(*scan)
    assert code == 2
    assert (
        f"{tmp_path / 'm.onnx'} is not the model that the detector {guard} was calibrated for (its weights or its preprocessing differ)"
        in said
    )
    assert re.search("[0-9a-f]{12}", said.replace(str(tmp_path), "")) is None


def test_defaults_count_as_what_the_guard_was_calibrated_with(call, model, tmp_path):
    """No option at calibration is the same as --mean 0 --std 1 --scale 1 --channels grey; anything else is another model."""
    np.save(tmp_path / "clean.npy", np.random.default_rng(0).integers(0, 256, (160, 1, 8, 8), np.uint8))
    np.save(tmp_path / "inbox.npy", np.random.default_rng(1).integers(0, 256, (6, 1, 8, 8), np.uint8))
    guard = tmp_path / "guard.doldrum"
    code, _, said = call(
        "calibrate", model, tmp_path / "clean.npy", "--detector", "max-softmax", "--fpr", 0.05, "--out", guard
    )
    assert code == 0, said
    scan = ["scan", model, tmp_path / "inbox.npy", "--detector", guard, "--out"]
    code, _, said = call(
        *scan, tmp_path / "same", "--mean", "0", "--std", 1, "--scale", 1, "--size", 8, "--num-classes", 4
    )
    assert code in (0, 3), said
    for flag, value, kept in (
        ("--scale", 255, "--scale 1,"), ("--mean", 0.5, "--mean 0,"), ("--channels", "rgb", "--channels grey,"),
        ("--size", "8x9", "--size 8x8,"), ("--resize", "crop", "--resize stretch,"), ("--num-classes", 5, "--num-classes 4,"),
        ("--arch", "fashion-cnn", "no option --arch,"),
    ):  # fmt: skip
        code, _, said = call(*scan, tmp_path / "other", flag, value)
        assert code == 2, flag
        assert (
            f"expected {kept} {'since' if flag == '--arch' else 'as in the calibration of'} the detector {guard}"
            in said
        ), (
            flag,
            said,
        )
        assert f"got {value}; leave this option out, or calibrate again" in said, (flag, said)
        assert not (tmp_path / "other").exists()


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
    flags = found["check"]["rows"][0]["flags"]
    assert flags.startswith("--scale 255")
    code, text, _ = call("doctor", tmp_path / "m.onnx", "--clean", images / "clean")
    assert flags in text.splitlines()  # in one piece, to be copied
    code, text, _ = call("doctor", tmp_path / "m.onnx", "--scale", 255)
    assert any(
        line.startswith("--size 16x16 --channels rgb --scale 255 --mean 0 --std 1 --outputs")
        for line in text.splitlines()
    )
    assert "{" not in text
    code, _, said = call(
        "measure", tmp_path / "m.onnx", images / "clean", "--strengths", 0.1, "--draws", 2, "--out", tmp_path / "out"
    )
    assert code == 0, said
    assert (
        "note: the preprocessing looks wrong. As the model was opened ([0, 1], RGB), the model gives 200 clean images"
        in said
    )
    assert "With --scale 255 --mean" in said
