"""Read images at positions between their pixels. All warps use this."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doldrum.triggers.base import Images

__all__ = ["resample"]


def resample(images: Images, field: NDArray[np.float64]) -> Images:
    """Interpolate images (N, C, H, W) bilinearly: the output pixel (i, j) is read at the position
    (i, j) + field[:, i, j]. Positions are clipped to the image.

    >>> x = np.arange(4, dtype=np.float32).reshape(1, 1, 1, 4)
    >>> resample(x, np.stack([np.zeros((1, 4)), np.full((1, 4), 0.5)])).ravel().tolist()
    [0.5, 1.5, 2.5, 3.0]
    """
    height, width = images.shape[2:]
    i, j = np.indices((height, width)) + field
    i, j = np.clip(i, 0, height - 1), np.clip(j, 0, width - 1)
    top, left = np.floor(i).astype(int), np.floor(j).astype(int)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down, along = (i - top).astype(np.float32), (j - left).astype(np.float32)
    upper = (1 - along) * images[:, :, top, left] + along * images[:, :, top, right]
    lower = (1 - along) * images[:, :, bottom, left] + along * images[:, :, bottom, right]
    return (1 - down) * upper + down * lower
