"""FTrojan: increase two DCT coefficients of the chroma channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.fft import idctn

from doldrum.errors import InputError
from doldrum.triggers.base import Images, Trigger

__all__ = ["RGB_TO_YUV", "FTrojan"]

_LARGEST_BLOCK = 4096
RGB_TO_YUV = np.array([[0.299, 0.587, 0.114], [-0.147108, -0.288804, 0.435912], [0.614777, -0.514799, -0.099978]])
"""BT.601: Y, U = .492 (B - Y), V = .877 (R - Y)."""


@dataclass(frozen=True, eq=False)
class FTrojan(Trigger):
    """Add `magnitude` (in grey levels of 0 to 255) to DCT coefficients of the channels U and V in every block.

    The changed coefficients are (p, p) for each p in `positions`. Blocks of `block` x `block` pixels tile the image
    from the upper left. Pixels to the right of the last whole block, or below it, do not change. The DCT is
    orthonormal, so one changed coefficient changes a pixel by at most 2 * `magnitude` / `block` grey levels. If a side
    of the image is shorter than `block`, all blocks have B x B pixels, where B is the length of the shorter side. In
    blocks of B x B pixels, the positions are multiplied by (B - 1) / (block - 1) and rounded: 15 and 31 become 13 and
    27 on 28 x 28. Grey images have no chroma, so their only channel is changed. All conversions are linear, so the
    trigger adds the same pattern to every image. The strength is `magnitude`.

    Source: Wang et al. 2021, arXiv 2111.10991, section 4; magnitude 30, positions 15 and 31, blocks of 32.

    Raises InputError for positions that are outside the block or repeated, and for images without 1 or 3 channels. A
    magnitude below 0 or above 255 * `block` (the largest coefficient that an image can have) is refused.

    >>> FTrojan().pattern((1, 28, 28)).shape
    (1, 28, 28)
    """

    name: ClassVar[str] = "ftrojan"
    strength_setting: ClassVar[str | None] = "magnitude"
    magnitude: float = 30.0
    positions: tuple[int, ...] = (15, 31)
    block: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.block <= _LARGEST_BLOCK:
            raise InputError(f"expected a block from 2 to {_LARGEST_BLOCK} pixels, got {self.block}; the paper uses 32")
        if not 0 <= self.magnitude <= 255 * self.block:
            raise InputError(
                f"expected a magnitude from 0 to {255 * self.block}, the limit for blocks of {self.block} pixels, got "
                f"{self.magnitude:g}; the paper uses 30"
            )
        given = self.positions
        fits = all(p == int(p) and 0 <= p < self.block for p in given)
        if not (given and fits and len(set(given)) == len(given)):
            listed = f"{given!r:.60}"
            raise InputError(
                f"expected positions as different whole numbers from 0 to {self.block - 1}, got {listed}; e.g. (15, 31)"
            )
        object.__setattr__(self, "positions", tuple(int(p) for p in given))

    def pattern(self, shape: tuple[int, ...]) -> Images:
        """The pattern that is added to an image of shape (C, H, W)."""
        channels, height, width = shape
        if channels not in (1, 3):
            raise InputError(f"expected 1 or 3 channels, got {channels}; FTrojan works on grey or RGB images")
        size = min(self.block, height, width)
        coefficients = np.zeros((size, size))
        for p in self.positions:
            scaled = round(p * (size - 1) / (self.block - 1))
            coefficients[scaled, scaled] = self.magnitude / 255
        block = np.asarray(idctn(coefficients, norm="ortho"))
        plane = np.zeros((height, width))
        down, across = height // size, width // size
        plane[: down * size, : across * size] = np.tile(block, (down, across))
        if channels == 1:
            return plane[None].astype(np.float32)
        weights = np.linalg.inv(RGB_TO_YUV) @ np.array([0.0, 1.0, 1.0])
        return (weights[:, None, None] * plane).astype(np.float32)

    def apply(self, images: Images) -> Images:
        return images + self.pattern(images.shape[1:])
