"""Displacement: pixels read where the field says."""

from __future__ import annotations

import numpy as np
import pytest

from doldrum.errors import InputError
from doldrum.triggers import Displacement, Warp, trigger_from_dict

IMAGE = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4) / 12


def shifted(rows: float, columns: float) -> Displacement:
    return Displacement(field=np.stack([np.full((3, 4), rows), np.full((3, 4), columns)]))


def test_whole_pixels_are_moved_and_the_border_repeats() -> None:
    assert (shifted(1, 0)(IMAGE)[0, 0, :2] == IMAGE[0, 0, 1:]).all()
    assert (shifted(1, 0)(IMAGE)[0, 0, 2] == IMAGE[0, 0, 2]).all()
    np.testing.assert_allclose(shifted(0, -0.5)(IMAGE)[0, 0, 0], [0, 0.5 / 12, 1.5 / 12, 2.5 / 12], rtol=1e-5)


def test_it_is_a_warp_whose_field_is_given() -> None:
    warp = Warp(s=1.0, k=3, field_seed=4)
    images = np.random.default_rng(0).random((2, 3, 9, 9), dtype=np.float32)
    np.testing.assert_allclose(Displacement(field=warp.field(9, 9))(images), warp(images), atol=1e-6)


def test_strength_scales_the_field_and_json_keeps_it() -> None:
    half = shifted(0, 2).with_strength(0.5)
    assert (half(IMAGE) == shifted(0, 1)(IMAGE)).all()
    assert trigger_from_dict(half.to_dict()) == half


@pytest.mark.parametrize("field", [np.zeros((3, 4)), np.zeros((1, 3, 4)), np.full((2, 3, 4), np.nan)])
def test_other_fields_are_refused(field: np.ndarray) -> None:
    with pytest.raises(InputError, match="finite field"):
        Displacement(field=field)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match="make the trigger for images of this shape"):
        shifted(0, 0)(np.zeros((1, 1, 4, 4), np.float32))
