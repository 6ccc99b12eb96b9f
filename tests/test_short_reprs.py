"""What a user sees who types a name: sizes, not arrays."""

from __future__ import annotations

import numpy as np

import doldrum as dd
from doldrum.data import ImageSet
from doldrum.detectors.contract.result import ScanResult
from doldrum.poisoning import PoisonPlan, poison
from doldrum.responses import Responses


def test_reprs_are_short_and_say_the_sizes() -> None:
    images = ImageSet(np.zeros((3000, 1, 4, 4), np.uint8), labels=np.arange(3000) % 10, name="zeros")
    assert repr(images) == "ImageSet('zeros', 3,000 images of 1 x 4 x 4, uint8, 10 classes)"
    assert "no labels" in repr(ImageSet(images.images))
    bad = poison(images, dd.triggers.Patch(size=2), PoisonPlan(rate=0.1, target=0), seed=0)
    assert repr(bad).startswith("PoisonedSet(")
    assert len(repr(bad)) < 120
    r = Responses(np.zeros((2000, 2, 5), np.int16), np.zeros(2000, np.int16), [0.1, 0.2], 10)
    assert repr(r) == "Responses(2,000 inputs x 2 strengths x 5 draws, 10 classes)"
    assert repr(dd.smoothness(r)).startswith("Smoothness(2,000 inputs x 2 strengths, 5 draws, 95% limits: ")
    n, zeros = 2000, np.zeros(2000)
    found = ScanResult(r.ids, r.labels, zeros, zeros + 1, np.arange(n) < 7, fpr=0.01, num_calibration=500, limit=30)
    assert repr(found) == "ScanResult(7 of 2,000 inputs flagged at 0.01; at most 30 false alarms are expected)"
