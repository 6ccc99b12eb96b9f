"""The sample that engines are checked on: some of the images under some of the draws, and never more than memory is good for."""

from __future__ import annotations

import numpy as np
import pytest

from doldrum.measuring.battery import Battery
from doldrum.measuring.checks import perturbed_sample
from doldrum.measuring.inputs import Inputs
from doldrum.probes import Gaussian


@pytest.mark.parametrize(("floats", "rows"), [(1 << 27, 512), (64 * 100, 96), (1, 8)])
def test_it_shrinks_with_the_size_of_an_image(floats, rows, monkeypatch):
    monkeypatch.setattr("doldrum.measuring.checks._SAMPLE_FLOATS", floats)
    images = np.random.default_rng(0).random((40, 1, 8, 8)).astype(np.float32)
    probe = Gaussian([0.1, 0.2], draws=50, seed=0)
    sample = perturbed_sample(Inputs(images), Battery({"noise": probe}, (1, 8, 8)))
    assert len(sample) == rows
    assert sum((row == image).all() for row in sample for image in images) == min(32, rows)  # each once as it is
