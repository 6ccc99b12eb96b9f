"""Candidate triggers to try without gradients: patches and perturbations, simple ones first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from doldrum.triggers.additive import Additive
from doldrum.triggers.base import Trigger
from doldrum.triggers.blended import Blended
from doldrum.triggers.low_frequency import LowFrequency
from doldrum.triggers.masked import MaskedPattern
from doldrum.triggers.patch import CORNERS, corner_slices
from doldrum.triggers.sinusoid import Sinusoid

__all__ = ["candidates"]

_SIDES = (2 / 28, 3 / 28, 4 / 28, 6 / 28)  # of patches, as shares of the image's side
_CUTS = (0.1, 0.25)
_SHARES = (0.1, 0.3)  # of a picture mixed in
_AMPLITUDES = (0.08, 0.25)  # of a perturbation
_IN_CORNERS = 1 / 3
_TINY = 8  # pixels a side, below which waves and smooth fields say nothing

Images = NDArray[np.float32]


def candidates(images: Images, count: int, chance: np.random.Generator) -> list[Trigger]:
    """Return a number of candidate triggers for images of the same shape as `images` (N, C, H, W).

    The first triggers are white, black and checkered squares in the corners and the centre. Then four kinds alternate.
    The first kind is a square with a simple pattern at any place. The second kind is a square cut from an image, pasted
    at the same or another place. The third kind mixes in a picture or noise. The fourth kind adds waves, blocks or
    smooth fields.
    """
    shape: tuple[int, int, int] = images.shape[1:]
    first = list(_simple(shape, chance))[:count]
    kinds: tuple[Callable[[], Trigger], ...] = (
        lambda: _placed(shape, chance),
        lambda: _cut(images, chance),
        lambda: _mixed(images, chance),
        lambda: _added(shape, chance),
    )
    return first + [kinds[i % len(kinds)]() for i in range(count - len(first))]


def _simple(shape: tuple[int, int, int], chance: np.random.Generator) -> Iterator[Trigger]:
    for side, pattern in product(_SIDES, ("white", "black", "checker")):
        size = _pixels(side, shape)
        values = _square(size, pattern, chance)
        for corner in CORNERS:
            yield _patch(shape, *corner_slices(shape[1:], size=size, corner=corner, margin=0), values)
        top, left = ((n - size) // 2 for n in shape[1:])
        yield _patch(shape, slice(top, top + size), slice(left, left + size), values)


def _placed(shape: tuple[int, int, int], chance: np.random.Generator) -> Trigger:
    size = _pixels(float(chance.choice(_SIDES)), shape)
    pattern = str(chance.choice(["white", "black", "checker", "noise"]))
    return _patch(shape, *_anywhere(shape, size, chance), _square(size, pattern, chance))


def _cut(images: Images, chance: np.random.Generator) -> Trigger:
    shape: tuple[int, int, int] = images.shape[1:]
    size = _pixels(float(chance.uniform(*_CUTS)), shape)
    rows, columns = _anywhere(shape, size, chance)
    piece = images[chance.integers(len(images))][:, rows, columns]
    if chance.random() < 0.5:
        rows, columns = _anywhere(shape, size, chance)
    return _patch(shape, rows, columns, piece)


def _mixed(images: Images, chance: np.random.Generator) -> Trigger:
    noise = chance.random() < 0.5
    picture = chance.random(images.shape[1:], dtype=np.float32) if noise else images[chance.integers(len(images))]
    return Blended(alpha=float(chance.uniform(*_SHARES)), pattern=picture)


def _added(shape: tuple[int, int, int], chance: np.random.Generator) -> Trigger:
    c, h, w = shape
    strength = float(chance.uniform(*_AMPLITUDES))
    kind = int(chance.integers(3)) if min(h, w) > _TINY else 2
    if kind == 0:
        return Sinusoid(delta=strength, frequency=float(chance.uniform(1, w / 3)))
    if kind == 1:
        return LowFrequency(amplitude=strength, perturbation_seed=int(chance.integers(2**31)))
    cells = int(chance.integers(1, max(min(h, w), 2)))
    rows, columns = np.arange(h) * cells // h, np.arange(w) * cells // w
    signs = chance.choice([-1.0, 1.0], (c, cells, cells))
    return Additive(perturbation=signs[:, rows][:, :, columns], amplitude=strength)


def _pixels(side: float, shape: tuple[int, int, int]) -> int:
    return max(1, round(side * min(shape[1:])))


def _anywhere(shape: tuple[int, int, int], size: int, chance: np.random.Generator) -> tuple[slice, slice]:
    """The rows and columns of a random square. One time in three, the square is in a corner."""
    if chance.random() < _IN_CORNERS:
        return corner_slices(shape[1:], size=size, corner=str(chance.choice(CORNERS)), margin=0)
    top, left = (int(chance.integers(n - size + 1)) for n in shape[1:])
    return slice(top, top + size), slice(left, left + size)


def _square(size: int, pattern: str, chance: np.random.Generator) -> Images:
    """The pixels (1, size, size) of a square with the given pattern."""
    if pattern == "noise":
        return chance.random((1, size, size), dtype=np.float32)
    i, j = np.indices((size, size))
    values = {"white": np.ones((size, size)), "black": np.zeros((size, size)), "checker": (i + j + 1) % 2}[pattern]
    return values[None].astype(np.float32)


def _patch(shape: tuple[int, int, int], rows: slice, columns: slice, values: Images) -> Trigger:
    mask, pattern = np.zeros(shape[1:], np.float32), np.zeros(shape, np.float32)
    mask[rows, columns] = 1
    pattern[:, rows, columns] = values
    return MaskedPattern(mask=mask, pattern=pattern)
