"""Clean images that a detector lays over its inputs. These overlays are chosen from the images on which the detector
was fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_array
from doldrum.data import ImageSet, to_float
from doldrum.errors import InputError
from doldrum.seeds import rng

__all__ = ["check_overlays", "draw_overlays"]


def draw_overlays(clean: ImageSet, count: int, seed: int) -> NDArray[np.float32]:
    """Choose `count` images at random. The same seed always gives the same images. The chosen images keep their order:
    float32 (count, C, H, W) in [0, 1].

    If there are fewer images than `count`, images repeat. When images repeat, every image is chosen n or n + 1 times,
    with the same n for all images.
    """
    own = rng(seed)
    few = count > len(clean)
    chosen = np.resize(own.permutation(len(clean)), count) if few else own.choice(len(clean), count, replace=False)
    return to_float(clean.images[np.sort(chosen)])


def check_overlays(overlays: Any, count: int, input_shape: tuple[int, int, int]) -> None:
    """Raise InputError if `draw_overlays` could not have returned `overlays`. The check is needed because overlays may
    come from a hostile file."""
    if (
        not is_array(overlays)
        or overlays.shape != (count, *input_shape)
        or overlays.dtype != np.float32
        or not ((overlays >= 0) & (overlays <= 1)).all()
    ):
        raise InputError(
            f"expected an array of {count} float32 overlay images of shape {input_shape} in [0, 1], got an array of another shape, type or range; fit again"
        )
