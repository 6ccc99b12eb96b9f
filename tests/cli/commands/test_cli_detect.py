"""`doldrum calibrate` and `scan`: what they say of themselves. What they do is tested with the detectors."""

from __future__ import annotations

import re

import numpy as np

from doldrum.detectors import DETECTORS


def test_help_lists_every_detector(call) -> None:
    """The list is written out there: reading it from `doldrum.detectors` would make each start of `doldrum` slower."""
    code, text, _ = call("calibrate", "--help")
    assert code == 0
    # A long line is broken between words, and after the hyphen of a name.
    listed = re.search(r"--detector <str> +One of (.*?);", re.sub(r"-\s+", "-", text), re.DOTALL)
    assert listed is not None
    assert [name.strip() for name in re.split(r",\s+", listed[1])] == list(DETECTORS)


def test_with_a_promise_within_classes_the_number_is_said_to_be_of_the_smallest(call, model, tmp_path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (400, 1, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "clean.npz", images=images)
    words = ["calibrate", model, tmp_path / "clean.npz", "--fpr", "0.2", "--detector", "max-softmax", "--out"]
    code, _, said = call(*words, tmp_path / "a", "--per-class")
    assert code == 0, said
    found = re.search(r"With (\d+) calibration images of the smallest class, the rate", " ".join(said.split()))
    assert found is not None
    assert int(found[1]) < 100  # of 200, in four classes
    code, _, said = call(*words, tmp_path / "b")
    assert "With 200 calibration images, the rate" in " ".join(said.split())


def test_of_few_images_calibration_gets_what_it_needs_and_what_the_rest_will_give_is_said(
    call, model, tmp_path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 1, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "clean.npz", images=images)
    code, summary, said = call(
        "calibrate", model, tmp_path / "clean.npz", "--fpr", "0.05", "--json", "--out", tmp_path / "guard"
    )
    assert code == 0, said
    assert (summary["fit"], summary["calibration"]) == (11, 19)
    told = " ".join(said.split())
    expected = summary["outlook"]
    assert f"learned from 11 images, and from none of {expected['classes_without']} of the 4 classes" in told
    assert f"flags about {expected['found']:.0%}" in told
    assert 0 <= expected["unlucky"] <= expected["found"] + 1e-9 <= 1
