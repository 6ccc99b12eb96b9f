"""What an inversion reads from what its search found."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.inspectors.toy_models import Linear, clean_images

import doldrum as dd
from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.examine import examine
from doldrum.inspectors.inversion import inspector
from doldrum.inspectors.inversion.search import Found


def test_a_trigger_that_moves_less_than_half_of_the_images_is_none_however_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A warp of photographs ended as one of hardly any size that moved nothing, and stood out by it."""
    parts = [torch.zeros(1, 1, 6, 6), torch.zeros(1, 1, 6, 6)]
    sizes = {0: (1e-4, 0.49), 1: (2.0, 0.5), 2: (3.0, 1.0)}
    found = [Found(Route(None, k), size, success, parts) for k, (size, success) in sizes.items()]
    monkeypatch.setattr(inspector, "search", lambda *_, **__: found)
    model = dd.as_classifier(Linear(0), input_shape=(1, 6, 6), num_classes=3)
    (one,) = examine(model, clean_images(), inspectors=["mask"], seed=0, progress=False).readings
    assert math.isnan(one.values[Route(None, 0)])
    assert one.values[Route(None, 1)] == pytest.approx(-np.log(2) - 5 * 0.45)
    assert one.values[Route(None, 2)] == pytest.approx(-np.log(3))
    assert set(one.triggers) == {Route(None, 1), Route(None, 2)}
