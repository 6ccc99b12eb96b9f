"""Common corruptions of one image of any size, implemented from Hendrycks and Dietterich's definitions.

Each corruption is a function `kind(image, setting, address)`. The image is float64 (H, W, C) in [0, 1], and `setting`
comes from a table of severities. `address` is (seed, family, kind, draw) and seeds the random generator, so that all
images get the same random values. Random layers that do not depend on the image are cached.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import correlate1d, gaussian_filter, map_coordinates

from doldrum.seeds import rng

__all__ = ["KINDS"]

Picture = NDArray[np.float64]
Address = tuple[int, str, str, int]


@lru_cache(maxsize=16)
def _normal(shape: tuple[int, ...], at: Address) -> Picture:
    return rng(*at).standard_normal(shape)


@lru_cache(maxsize=16)
def _uniform(shape: tuple[int, ...], at: Address) -> Picture:
    return rng(*at).random(shape)


def gaussian_noise(x: Picture, scale: float, at: Address) -> Picture:
    return x + scale * _normal(x.shape, at)


def shot_noise(x: Picture, photons: float, at: Address) -> Picture:
    return rng(*at).poisson(x * photons) / photons


def impulse_noise(x: Picture, share: float, at: Address) -> Picture:
    u = _uniform(x.shape, at)
    return np.where(u < share / 2, 0.0, np.where(u >= 1 - share / 2, 1.0, x))


def defocus_blur(x: Picture, setting: tuple[float, float], at: Address) -> Picture:
    disk = _disk(*setting)
    reach = len(disk) // 2
    padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    size = padded.shape[:2]
    # By Fourier transform, ten times as fast; only the first 2 * reach rows and columns see the wrap-around.
    product = np.fft.rfft2(padded, axes=(0, 1)) * np.fft.rfft2(disk, s=size)[:, :, None]
    return np.fft.irfft2(product, s=size, axes=(0, 1))[2 * reach :, 2 * reach :]


@lru_cache(maxsize=64)
def _disk(radius: float, alias: float) -> Picture:
    reach = 8 if radius <= 8 else int(radius)
    line = np.arange(-reach, reach + 1)
    disk = (line[:, None] ** 2 + line**2 <= radius**2).astype(float)
    taps = np.arange(3 if radius <= 8 else 5) - (1 if radius <= 8 else 2)
    blur = np.exp(-(taps**2) / (2 * alias**2))
    for axis in (0, 1):  # softens the edge
        disk: Picture = correlate1d(disk, blur / blur.sum(), axis=axis, mode="mirror")
    return disk / disk.sum()


def glass_blur(x: Picture, setting: tuple[float, int, int], at: Address) -> Picture:
    sigma, delta, times = setting
    soft = gaussian_filter(x, (sigma, sigma, 0), mode="nearest")
    order = _shuffled(x.shape[0], x.shape[1], delta, times, at)
    return gaussian_filter(soft.reshape(-1, x.shape[2])[order].reshape(x.shape), (sigma, sigma, 0), mode="nearest")


@lru_cache(maxsize=64)
def _shuffled(height: int, width: int, delta: int, times: int, at: Address) -> NDArray[np.int64]:
    """The order of the pixels after a shuffle. In the shuffle, each pixel in turn is swapped with a pixel at most
    `delta` rows and columns away."""
    order = np.arange(height * width).tolist()
    generator = rng(*at)
    for _ in range(times):
        moves = generator.integers(-delta, delta, size=(height, width, 2)).tolist()
        for i in range(height - delta, delta, -1):
            for j in range(width - delta, delta, -1):
                down, right = moves[i - 1][j - 1]
                a, b = i * width + j, (i + down) * width + j + right
                order[a], order[b] = order[b], order[a]
    return np.array(order)


def motion_blur(x: Picture, setting: tuple[int, float], at: Address) -> Picture:
    return _moved(x, *setting, rng(*at).uniform(-45, 45))


def _moved(x: Picture, radius: int, sigma: float, angle: float) -> Picture:
    """Average pixels along a line, with the weights of one half of a Gaussian.

    Beyond the image, the image's edge is repeated.
    """
    rows, columns, weights = _trail(x.shape[0], x.shape[1], radius, sigma, angle)
    return np.tensordot(weights, x[rows, columns], axes=1)


@lru_cache(maxsize=64)
def _trail(height: int, width: int, radius: int, sigma: float, angle: float) -> tuple[Any, Any, Picture]:
    """Return the rows and columns that each step of the blur reads for each pixel, and the weight of each step.

    Steps of the blur that read the same pixel are merged into one step.
    """
    steps = np.arange(2 * radius + 1)
    down = np.ceil(steps * np.sin(np.deg2rad(angle)) - 0.5).astype(int)
    right = np.ceil(steps * np.cos(np.deg2rad(angle)) - 0.5).astype(int)
    # Moves beyond the image read its edge, whatever their length.
    moves = np.stack([np.clip(down, -height, height), np.clip(right, -width, width)], axis=1)
    different, which = np.unique(moves, axis=0, return_inverse=True)
    weights = np.bincount(which.ravel(), np.exp(-(steps**2) / (2 * sigma**2)))
    rows = np.clip(np.arange(height) + different[:, :1], 0, height - 1)
    columns = np.clip(np.arange(width) + different[:, 1:], 0, width - 1)
    return rows[:, :, None], columns[:, None, :], weights / weights.sum()


def zoom_blur(x: Picture, factors: tuple[float, float, float], at: Address) -> Picture:
    rows, columns = (_zooms(size, *factors) for size in x.shape[:2])
    zoomed = (rows @ x.transpose(2, 0, 1)[:, None] @ columns.transpose(0, 2, 1)).sum(axis=1).transpose(1, 2, 0)
    return (x + zoomed) / (len(rows) + 1)


@lru_cache(maxsize=64)
def _zooms(size: int, start: float, stop: float, step: float) -> Picture:
    """An array (Z, size, size) with one matrix for each of the Z zoom factors.

    Each matrix zooms a line about its middle, with linear interpolation.
    """
    middle = (size - 1) / 2
    places = (np.arange(size) - middle) / np.arange(start, stop, step)[:, None] + middle
    return np.maximum(0, 1 - np.abs(places[:, :, None] - np.arange(size)))


def snow(x: Picture, setting: tuple[float, float, float, float, int, float, float], at: Address) -> Picture:
    keep = setting[6]
    grey = x @ (0.299, 0.587, 0.114) if x.shape[2] == 3 else x.mean(axis=2)
    whitened = keep * x + (1 - keep) * np.maximum(x, 1.5 * grey[:, :, None] + 0.5)
    layer = _flakes(x.shape[0], x.shape[1], *setting[:6], at)
    return whitened + layer + layer[::-1, ::-1]


@lru_cache(maxsize=64)
def _flakes(
    height: int,
    width: int,
    mean: float,
    scale: float,
    zoom: float,
    least: float,
    radius: int,
    sigma: float,
    at: Address,
) -> Picture:
    generator = rng(*at)
    layer = generator.normal(mean, scale, size=(height, width))
    rows, columns = (_zooms(size, zoom, zoom + 0.5, 1.0)[0] for size in (height, width))
    layer = rows @ layer @ columns.T
    layer = np.clip(np.where(layer < least, 0, layer), 0, 1)
    return _moved(layer[:, :, None], radius, sigma, generator.uniform(-135, -45))


def fog(x: Picture, setting: tuple[float, float], at: Address) -> Picture:
    thickness, decay = setting
    side = 1 << (max(x.shape[:2]) - 1).bit_length()
    haze = _plasma(max(side, 2), decay, at)[: x.shape[0], : x.shape[1], None]
    most = x.max()
    return (x + thickness * haze) * most / (most + thickness)


@lru_cache(maxsize=64)
def _plasma(side: int, decay: float, at: Address) -> Picture:
    """A periodic height map (side, side) from the diamond-square algorithm, scaled to 0..1."""
    generator, height = rng(*at), np.zeros((side, side))
    step, wobble = side, 100.0

    def mean(four: Picture) -> Picture:
        return four / 4 + wobble * generator.uniform(-wobble, wobble, four.shape)

    while step >= 2:
        half = step // 2
        corners = height[::step, ::step]
        square = corners + np.roll(corners, -1, axis=0)
        height[half::step, half::step] = mean(square + np.roll(square, -1, axis=1))
        centres, corners = height[half::step, half::step], height[::step, ::step]
        height[::step, half::step] = mean(
            centres + np.roll(centres, 1, axis=0) + corners + np.roll(corners, -1, axis=1)
        )
        height[half::step, ::step] = mean(
            centres + np.roll(centres, 1, axis=1) + corners + np.roll(corners, -1, axis=0)
        )
        step, wobble = half, wobble / decay
    height -= height.min()
    return height / height.max()


def brightness(x: Picture, more: float, at: Address) -> Picture:
    value = x.max(axis=2, keepdims=True)  # V of HSV; hue and saturation stay
    raised = np.minimum(value + more, 1)
    return np.where(value > 0, x * raised / np.where(value > 0, value, 1), raised)


def contrast(x: Picture, factor: float, at: Address) -> Picture:
    mean = x.mean(axis=(0, 1), keepdims=True)
    return factor * (x - mean) + mean


def elastic_transform(x: Picture, setting: tuple[float, float, float], at: Address) -> Picture:
    places = _elastic(x.shape[0], x.shape[1], *setting, at)
    moved: list[Picture] = [map_coordinates(x[:, :, c], places, order=1, mode="mirror") for c in range(x.shape[2])]
    return np.stack(moved, axis=2)


@lru_cache(maxsize=64)
def _elastic(height: int, width: int, alpha: float, sigma: float, affine: float, at: Address) -> Picture:
    """The positions (2, H, W) at which pixels are read: moved by a smooth random field and a random affine map."""
    generator, side = rng(*at), min(height, width)
    middle, third = np.array([height, width]) // 2, side // 3
    points = middle + np.array([[third, third], [third, -third], [-third, -third]], dtype=float)
    moved = points + generator.uniform(-affine * side, affine * side, size=(3, 2))
    noise = generator.uniform(-1, 1, size=(2, height, width))
    smooth: list[Picture] = [gaussian_filter(part, sigma * side, mode="reflect", truncate=3) for part in noise]
    places = np.indices((height, width)) + alpha * side * np.array(smooth)
    back = np.linalg.solve(np.column_stack([moved, np.ones(3)]), points) if third else np.eye(3)[:, :2]
    return np.tensordot(back.T, np.concatenate([places, np.ones((1, height, width))]), axes=1)


def pixelate(x: Picture, share: float, at: Address) -> Picture:
    small = (max(1, int(x.shape[1] * share)), max(1, int(x.shape[0] * share)))

    def coarse(plane: Picture) -> NDArray[np.float32]:
        image = Image.fromarray(plane.astype(np.float32)).resize(small, Image.Resampling.BOX)
        return np.asarray(image.resize((x.shape[1], x.shape[0]), Image.Resampling.NEAREST))

    return np.stack([coarse(x[:, :, c]) for c in range(x.shape[2])], axis=2).astype(np.float64)


def jpeg_compression(x: Picture, quality: int, at: Address) -> Picture:
    pixels = np.round(x * 255).astype(np.uint8)
    planes = [pixels] if x.shape[2] == 3 else [pixels[:, :, c] for c in range(x.shape[2])]
    read: list[NDArray[np.uint8]] = []
    for plane in planes:
        file = io.BytesIO()
        Image.fromarray(plane).save(file, "JPEG", quality=quality)
        read.append(np.asarray(Image.open(file)).reshape(*x.shape[:2], -1))
    return np.concatenate(read, axis=2) / 255


KINDS: dict[str, Callable[[Picture, Any, Address], Picture]] = {
    kind.__name__.replace("_", "-"): kind
    for kind in (
        gaussian_noise, shot_noise, impulse_noise, defocus_blur, glass_blur, motion_blur, zoom_blur, snow, fog,
        brightness, contrast, elastic_transform, pixelate, jpeg_compression,
    )
}  # fmt: skip
