"""Read images at positions between their pixels, and blur them. Several triggers use this."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from doldrum.triggers.base import Images

__all__ = ["blur", "resample"]


def blur(images: Images, sigma: float) -> Images:
    """Blur images (N, C, H, W) with a Gaussian of standard deviation `sigma` pixels, cut off at four standard
    deviations. The pixels at the edge of an image are repeated outside of it.

    >>> flat = np.full((1, 1, 3, 3), 0.5, dtype=np.float32)
    >>> bool(np.allclose(blur(flat, 2.0), flat))
    True
    """
    return np.asarray(gaussian_filter(images, sigma, axes=(2, 3), mode="nearest"), dtype=np.float32)


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
