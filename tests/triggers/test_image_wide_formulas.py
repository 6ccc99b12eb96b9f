"""The triggers that change the whole image, each against torch, SciPy or a closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates, uniform_filter1d
from torch.nn import functional

import doldrum.triggers as t
from doldrum.errors import InputError


def images(channels: int = 3, *, height: int = 12, width: int = 17) -> np.ndarray:
    return np.random.default_rng(1).random((4, channels, height, width)).astype(np.float32)


def gaussian_by_torch(x: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian blur up to four standard deviations, with repeated edge pixels."""
    radius = int(4 * sigma + 0.5)
    k = torch.exp(-(torch.arange(-radius, radius + 1, dtype=torch.float64) ** 2) / (2 * sigma**2))
    kernel = torch.outer(k, k) / k.sum() ** 2
    channels = x.shape[1]
    padded = functional.pad(torch.tensor(x, dtype=torch.float64), (radius,) * 4, mode="replicate")
    return functional.conv2d(padded, kernel.expand(channels, 1, -1, -1), groups=channels).numpy()


def test_tone_is_a_power_that_keeps_black_and_white() -> None:
    x = images()
    np.testing.assert_allclose(t.Tone(amount=1)(x), x.astype(float) ** 2, atol=1e-6)
    np.testing.assert_allclose(t.Tone(amount=-1)(x), np.sqrt(x.astype(float)), atol=1e-6)
    np.testing.assert_allclose(t.Tone(amount=-1.5)(t.Tone(amount=1.5)(x)), x, atol=1e-5)
    ends = np.array([0, 1], np.float32).reshape(1, 1, 1, 2)
    assert np.array_equal(t.Tone(amount=3)(ends), ends)
    assert np.array_equal(t.Tone(amount=0)(x), x)


@pytest.mark.parametrize(("angle", "axis"), [(0, 3), (90, 2), (180, 3), (-90, 2)])
def test_motion_blur_along_an_axis_is_a_moving_mean(angle: float, axis: int) -> None:
    x = images()
    expected = uniform_filter1d(x.astype(float), 5, axis=axis, mode="nearest")
    np.testing.assert_allclose(t.MotionBlur(length=4, angle=angle)(x), expected, atol=1e-5)


def test_motion_blur_at_an_angle_against_scipy() -> None:
    x, total = images(1), np.zeros((4, 1, 12, 17))
    rows, columns = np.indices((12, 17))
    for step in (-1.5, -0.5, 0.5, 1.5):  # up and to the right is counterclockwise from the horizontal
        at = rows - step * np.sin(np.pi / 6), columns + step * np.cos(np.pi / 6)
        at = np.clip(at[0], 0, 11), np.clip(at[1], 0, 16)
        total[:, 0] += [map_coordinates(one[0].astype(float), at, order=1) / 4 for one in x]
    np.testing.assert_allclose(t.MotionBlur(length=3, angle=30)(x), total, atol=1e-5)
    assert np.array_equal(t.MotionBlur(length=0)(x), x)


def test_light_is_a_ramp_from_its_side() -> None:
    flat = np.full((1, 1, 5, 9), 0.5, np.float32)
    across = 0.5 * np.linspace(0.6, 1.4, 9)
    np.testing.assert_allclose(t.Light(depth=0.4, angle=0)(flat)[0, 0], np.tile(across, (5, 1)), atol=1e-6)
    np.testing.assert_allclose(t.Light(depth=0.4, angle=180)(flat)[0, 0], np.tile(across[::-1], (5, 1)), atol=1e-6)
    down = 0.5 * np.linspace(1.4, 0.6, 5)[:, None]
    np.testing.assert_allclose(t.Light(depth=0.4, angle=90)(flat)[0, 0], np.tile(down, (1, 9)), atol=1e-6)
    lit = t.Light(depth=0.4, angle=45)(flat)[0, 0]
    assert lit[0, -1] == pytest.approx(0.7) == lit.max()
    assert lit[-1, 0] == pytest.approx(0.3) == lit.min()
    np.testing.assert_allclose(np.diff(lit, 2, axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.diff(lit, 2, axis=1), 0, atol=1e-6)


def test_light_multiplies_and_its_colour_is_for_colour_images() -> None:
    x = images() * np.float32(0.5)
    plain, warm = (t.Light(depth=0.3, cast=cast)(x) for cast in (0.0, 0.2))
    np.testing.assert_allclose(warm, plain * np.array([1.2, 1, 0.8])[:, None, None], atol=1e-6)
    np.testing.assert_allclose(t.Light(depth=0.3)(x / 2), plain / 2, atol=1e-6)
    grey = images(1)
    assert np.array_equal(t.Light(cast=0.2)(grey), t.Light()(grey))
    assert np.array_equal(t.Light(depth=0)(grey), grey)
    assert np.array_equal(t.Light(depth=1)(grey[:, :, :1, :1]), grey[:, :, :1, :1])  # one pixel is in the middle


@pytest.mark.parametrize("shift", [0, 3, -2])
def test_reflection_against_torch(shift: int) -> None:
    x = images()
    mirrored = torch.tensor(gaussian_by_torch(x, 1.2)).flip(3)
    left, right = max(shift, 0), max(-shift, 0)
    padded = functional.pad(mirrored, (left, right, left, right), mode="replicate")
    moved = padded[:, :, right : right + 12, right : right + 17].numpy()
    out = t.Reflection(alpha=0.4, sigma=1.2, shift=shift)(x)
    np.testing.assert_allclose(out, 0.6 * x + 0.4 * moved, atol=1e-5)
    assert np.array_equal(t.Reflection(alpha=0)(x), x)


@pytest.mark.parametrize("slope", [0.3, -1.0])
def test_shear_against_torch(slope: float) -> None:
    x = images()
    theta = torch.tensor([[[1, slope * 11 / 16, 0], [0, 1, 0]]], dtype=torch.float64).expand(4, -1, -1)
    grid = functional.affine_grid(theta, [4, 3, 12, 17], align_corners=True)
    given = torch.tensor(x, dtype=torch.float64)
    expected = functional.grid_sample(given, grid, padding_mode="border", align_corners=True).numpy()
    np.testing.assert_allclose(t.Shear(slope=slope)(x), expected, atol=1e-5)
    assert np.array_equal(t.Shear(slope=0)(x), x)


def test_sharpen_against_torch() -> None:
    x = images()
    expected = np.clip(x + 0.8 * (x - gaussian_by_torch(x, 1.5)), 0, 1)
    np.testing.assert_allclose(t.Sharpen(amount=0.8, sigma=1.5)(x), expected, atol=1e-5)
    assert np.array_equal(t.Sharpen(amount=0)(x), x)


@pytest.mark.parametrize(
    "make",
    [
        lambda: t.Tone(amount=5), lambda: t.MotionBlur(length=-1), lambda: t.MotionBlur(length=1000),
        lambda: t.Light(depth=1.5), lambda: t.Light(cast=-2), lambda: t.Reflection(alpha=2),
        lambda: t.Reflection(sigma=-1), lambda: t.Reflection(shift=1e5), lambda: t.Shear(slope=11),
        lambda: t.Sharpen(amount=-1), lambda: t.Sharpen(sigma=1e3),
    ],
)  # fmt: skip
def test_what_they_refuse(make: Any) -> None:
    with pytest.raises(InputError, match="expected"):
        make()
