"""LF: a smooth perturbation. Detectors that analyse high frequencies cannot find the perturbation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.fft import idctn

from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.triggers.arrays import frozen_array
from doldrum.triggers.base import Images, Trigger

__all__ = ["LowFrequency"]

_HIGHEST = 256  # coefficients an axis: beyond, nothing about it is low, and their square takes memory


@dataclass(frozen=True, eq=False)
class LowFrequency(Trigger):
    """Change each image x to clip(x + amplitude * d), where d is smooth and max|d| = 1.

    Without a `perturbation`, d has normally distributed DCT coefficients below `cutoff` along both axes, no higher
    coefficients, and mean 0. This random d needs no training, and depends only on `perturbation_seed` and the image
    shape. A given `perturbation` (C, H, W), such as from `doldrum.attacks.optimise_low_frequency`, is scaled to a
    maximum of 1 and used as d. The strength is `amplitude`.

    Source: Zeng et al. 2021, arXiv 2104.03413, section 5, where the perturbation is optimised against a model with a
    low-pass constraint. The form without training is from this project.

    Raises InputError for an amplitude outside [0, 1], a cutoff outside 2 to 256, and a perturbation that is not an
    image or is all zero.

    >>> grey = np.full((1, 1, 8, 8), 0.5, dtype=np.float32)
    >>> float(np.abs(LowFrequency(amplitude=0.25)(grey) - grey).max())
    0.25
    """

    name: ClassVar[str] = "low-frequency"
    strength_setting: ClassVar[str | None] = "amplitude"
    amplitude: float = 0.12
    cutoff: int = 5
    perturbation: NDArray[np.float32] | None = None
    perturbation_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.amplitude <= 1 and 2 <= self.cutoff <= _HIGHEST):
            raise InputError(
                f"expected amplitude in [0, 1] and cutoff from 2 to {_HIGHEST}, got {self.amplitude:g} and {self.cutoff}; "
                "e.g. .1 and 4"
            )
        if self.perturbation is not None:
            given = frozen_array(self.perturbation)
            if given.ndim != 3 or not np.isfinite(given).all() or not given.any():
                raise InputError(
                    f"expected a perturbation (C, H, W) of finite numbers that are not all 0, got an array of shape {given.shape}; fix it"
                )
            object.__setattr__(self, "perturbation", given)

    def direction(self, shape: tuple[int, ...]) -> Images:
        """The perturbation d (C, H, W) with max|d| = 1, for images of the given shape (C, H, W).

        If no `perturbation` is given, d is the same for all channels.
        """
        if self.perturbation is not None:
            if self.perturbation.shape != tuple(shape):
                raise InputError(
                    f"expected images of shape {self.perturbation.shape}, got shape {tuple(shape)}; optimise a perturbation for this shape"
                )
            raw = self.perturbation
        else:
            _, height, width = shape
            rows, columns = min(self.cutoff, height), min(self.cutoff, width)
            coefficients = np.zeros((height, width))
            # Drawn as a full square, so that images of all sizes share the low coefficients.
            square = rng(self.perturbation_seed, "low-frequency").standard_normal((self.cutoff, self.cutoff))
            coefficients[:rows, :columns] = square[:rows, :columns]
            coefficients[0, 0] = 0
            raw = np.broadcast_to(np.asarray(idctn(coefficients, norm="ortho")), shape)
        top = np.abs(raw).max()
        return np.asarray(raw / top if top else raw, dtype=np.float32)

    def apply(self, images: Images) -> Images:
        return np.add(images, np.float32(self.amplitude) * self.direction(images.shape[1:]), dtype=np.float32)
