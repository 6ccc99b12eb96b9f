"""What a page shows of explanations: proven ones first, every text visible, only pictures that are there."""

from __future__ import annotations

import numpy as np
from PIL import Image

from doldrum.report.explained import explained, heading
from doldrum.report.pictures import Pictures

SUCCESS = {"hits": 96, "n": 100, "value": 0.96, "lower": 0.9, "upper": 0.99}
ONE = {
    "image": "a\u202e.png", "label": 1, "proven": False, "why": "Nothing.", "success": None, "control": None, "controls": 0,
    "p_adjusted": None, "holds": None, "labels": None,
}  # fmt: skip
PROVEN = ONE | {
    "image": "b.png", "proven": True, "success": SUCCESS, "control": SUCCESS | {"hits": 2, "value": 0.02, "lower": 0.0, "upper": 0.07},
    "controls": 20, "p_adjusted": 1e-9, "labels": {"clean": [0, 2], "found": [1, 1], "control": [0, -1]},
}  # fmt: skip


def test_a_proof_stands_first_with_its_pictures_and_labels(tmp_path):
    for name in ("001-image", "001-clean-0", "001-clean-1", "001-with-found-0", "001-with-control-1"):
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / f"{name}.png")
    first, second = explained({"explained": [ONE, PROVEN]}, ["zero", "one<", "two"], Pictures(tmp_path))
    assert (first.image, first.proven, first.label) == ("b.png", True, "1: one<")
    assert [name for name, _ in first.pictures] == ["flagged image"]
    assert [(what, [(a.label, a.hit) for a in answers]) for what, answers in first.rows] == [
        ("clean images, unchanged", [("0: zero", False), ("2: two", False)]),
        ("clean images with the part that was found in the flagged image", [("1: one<", True)]),
        ("clean images with the part that was found in the best control image", [("no valid answer", False)]),
    ]
    assert dict(first.figures)["success"] == "96.0% of 100 (90.0% to 99.0%)"
    assert dict(first.figures)["best of 20 controls"].startswith("2.0% of 100")
    assert second.image == "a\\u202e.png"
    assert second.rows == second.pictures == second.figures == ()


def test_the_heading_counts():
    assert heading({"explained": [PROVEN, ONE]}) == "A trigger is proven in 1 of 2 images"
    assert heading({"explained": [ONE]}) == "No trigger is proven in 1 image"
