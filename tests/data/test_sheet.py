"""A sheet of samples shows those images, pixel by pixel, in their classes' rows."""

from __future__ import annotations

import numpy as np
import pytest

from doldrum.data import ImageSet
from doldrum.data.sheet import draw_sheet
from doldrum.errors import InputError


def test_rows_are_classes_and_pixels_are_the_images() -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 32, 32), dtype=np.uint8)
    data = ImageSet(images, labels=[2, 0, 0, 1, 2, 1, 0, 1, 2], class_names=["a", "b", "c"])
    sheet = np.asarray(draw_sheet(data, samples=2))
    assert sheet.shape == (3 * (64 + 4 + 14) + 4, 2 * 68 + 4, 3)
    for row, members in enumerate(([1, 2], [3, 5], [0, 4])):
        for column, i in enumerate(members):
            top, left = 4 + row * 82 + 14, 4 + column * 68
            shown = sheet[top : top + 64 : 2, left : left + 64 : 2]
            assert np.array_equal(shown, images[i].transpose(1, 2, 0))


def test_many_classes_are_spread_and_grey_images_are_drawn() -> None:
    images = np.zeros((40, 1, 80, 80), np.float32)
    images[:, 0] = (np.arange(40) / 40)[:, None, None]
    sheet = np.asarray(draw_sheet(ImageSet(images, labels=np.arange(40)), classes=3, samples=1))
    assert sheet.shape == (3 * 98 + 4, 88, 3)
    shown = [int(sheet[4 + row * 98 + 14 + 40, 44, 0]) for row in range(3)]
    assert shown == [round(k / 40 * 255) for k in (0, 20, 39)]  # of 0 to 39, the first, a middle one and the last


def test_images_without_classes() -> None:
    with pytest.raises(InputError, match="expected images with labels"):
        draw_sheet(ImageSet(np.zeros((2, 1, 8, 8), np.uint8)))
