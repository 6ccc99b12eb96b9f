"""OverlayProbe: a probe that puts parts of other images into the input."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.pixels import to_float
from doldrum.probes.base import ImageProbe
from doldrum.seeds import rng

__all__ = ["OverlayProbe"]


class OverlayProbe(ImageProbe):
    """A probe with overlays: other images, of which each draw puts one, or a part of it, into the input.

    Overlays are common to all inputs.

    Parameters
    ----------
    overlays : array (M, C, H, W)
        Clean images of uint8, or floats in [0, 1], that are used only as overlays. Draw j uses the j-th image in a
        seeded random order.
    strengths : floats
    draws : int
        The number of draws, at most M. The default is M, the number of overlays. Each overlay is used once.

    Raises InputError for overlays that are not images, and for fewer overlays than draws. `bind` raises InputError if
    the overlays do not have the classifier's input shape.
    """

    def __init__(
        self, overlays: NDArray[Any], strengths: Sequence[float], *, draws: int | None = None, seed: int = 0
    ) -> None:
        values = np.asarray(overlays)
        if values.ndim != 4 or not len(values):
            raise InputError(
                f"expected overlays of shape (images, channels, height, width), got {values.shape}; pass clean images"
            )
        self.overlays = to_float(values)
        if not np.isfinite(self.overlays).all() or self.overlays.min() < 0 or self.overlays.max() > 1:
            raise InputError("expected overlays in [0, 1], got other values; divide by 255 or pass uint8")
        super().__init__(strengths, draws=len(values) if draws is None else draws, seed=seed)
        if self.draws > len(values):
            raise InputError(f"expected at least {self.draws} overlays (one per draw), got {len(values)}; pass more")

    @property
    def overlays_hash(self) -> str:
        """SHA-256 of the overlays' shape and float32 values."""
        digest = hashlib.sha256(str(self.overlays.shape).encode())
        digest.update(np.ascontiguousarray(self.overlays).tobytes())
        return digest.hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-able values, with the overlays replaced by their hash.

        `probe_from_dict(settings, overlays=…)` needs the overlays again.
        """
        return super().to_dict() | {"overlays_hash": self.overlays_hash}

    def bank(self, input_shape: tuple[int, int, int]) -> NDArray[np.float32]:
        """The overlay of each draw (draws, C, H, W), as a new array. Raises InputError if the overlays do not have the
        shape `input_shape`."""
        if self.overlays.shape[1:] != tuple(input_shape):
            raise InputError(
                f"expected overlays of shape {tuple(input_shape)}, got {self.overlays.shape[1:]}; resize them"
            )
        return self.overlays[rng(self.seed, self.family).permutation(len(self.overlays))[: self.draws]]
