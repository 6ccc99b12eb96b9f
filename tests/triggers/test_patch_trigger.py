from __future__ import annotations

import numpy as np
import pytest

from doldrum.errors import InputError
from doldrum.triggers import Patch


@pytest.mark.parametrize("corner", ["upper left", "upper right", "lower left", "lower right"])
@pytest.mark.parametrize("margin", [0, 2])
def test_only_the_patch_changes(corner, margin):
    x = np.full((2, 3, 10, 12), 0.25, dtype=np.float32)
    out = Patch(size=3, corner=corner, margin=margin)(x)
    changed = (out != x).any(axis=(0, 1))
    assert changed.sum() == 9
    assert (out[:, :, changed] == 1).all()
    rows, columns = np.nonzero(changed)
    assert (rows.min() if "upper" in corner else 9 - rows.max()) == margin
    assert (columns.min() if "left" in corner else 11 - columns.max()) == margin


def test_checker():
    out = Patch(size=3, pattern="checker")(np.full((1, 1, 3, 3), 0.5, dtype=np.float32))
    assert out[0, 0].tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


@pytest.mark.parametrize("settings", [{"size": 0}, {"margin": -1}, {"corner": "middle"}, {"pattern": "red"}])
def test_settings_are_checked(settings):
    with pytest.raises(InputError, match="expected"):
        Patch(**settings)


def test_too_small_an_image():
    with pytest.raises(InputError, match="at most 4 pixels together for images of 4 x 9 pixels, got 5"):
        Patch(size=3, margin=2)(np.zeros((1, 1, 4, 9), dtype=np.float32))
