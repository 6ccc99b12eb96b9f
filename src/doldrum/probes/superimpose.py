"""Add other images to the input: the perturbation of the detector STRIP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.probes.overlaid import OverlayProbe

__all__ = ["Mode", "Superimpose"]

Mode = Literal["add", "relative", "blend"]
"""How an overlay is added to an image, see `Superimpose`."""


class Superimpose(OverlayProbe):
    """Add another image, the overlay o_j, to the image x: clip(x + s o_j, 0, 1), or clip(x + s (o_j - m), 0, 1), or the
    blend (1 - s) x + s o_j.

    m is the *background*: for each channel, the median of the outermost pixels of all overlays.

    Parameters
    ----------
    overlays, draws, seed
        As in `OverlayProbe`.
    strengths : floats in [0, 1]
        Weights s of the overlay; 0 leaves the image unchanged.
    mode : "add", "relative" or "blend"
        "add", the default with weight 1, is the method of the paper: both images have full weight, and the sum is
        clipped at white. "relative" adds only the difference between the overlay and the background m. On a black
        background, "relative" does the same as "add". On a bright background, most of the sum of "add" is white, and
        "relative" shows both objects.

    Source: Gao et al. 2019 (STRIP), arXiv 1902.06531, section 4; several later toolkits use "blend".

    Raises InputError as `OverlayProbe` does, and for another mode.

    >>> overlays = np.full((2, 1, 1, 2), 0.75, dtype=np.float32)
    >>> out = np.empty((2, 1, 1, 2), dtype=np.float32)
    >>> Superimpose(overlays).bind((1, 1, 2)).fill(np.array([[[0.125, 0.5]]], dtype=np.float32), 0, 0, 2, out)
    >>> out[0].ravel().tolist()
    [0.875, 1.0]
    """

    family = "superimpose"

    def __init__(
        self,
        overlays: NDArray[Any],
        strengths: Sequence[float] = (1.0,),
        *,
        draws: int | None = None,
        seed: int = 0,
        mode: Mode = "add",
    ) -> None:
        super().__init__(overlays, strengths, draws=draws, seed=seed)
        self.check_strengths(1, "weights of the overlay")
        if mode not in get_args(Mode):
            raise InputError(f"expected mode 'add', 'relative' or 'blend', got {mode!r}")
        self.mode = mode

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"mode": self.mode}

    def bind(self, input_shape: tuple[int, int, int]) -> _Overlays:
        bank = self.bank(input_shape)
        if self.mode == "relative":
            bank -= _background(self.overlays)
        return _Overlays(bank, self.strengths, blend=self.mode == "blend")


def _background(overlays: NDArray[np.float32]) -> NDArray[np.float32]:
    """The background of each channel (C, 1, 1): the median of the outermost pixels.

    The median of all pixels would depend on the objects too. For example, only half of the pixels of Fashion-MNIST are
    black, so the median of all pixels of 19 images is often grey.
    """
    outermost = np.ones(overlays.shape[2:], dtype=bool)
    outermost[1:-1, 1:-1] = False
    return np.median(overlays[:, :, outermost], axis=(0, 2))[:, None, None].astype(np.float32)


class _Overlays:
    def __init__(self, bank: NDArray[np.float32], strengths: tuple[float, ...], *, blend: bool) -> None:
        self.bank, self.strengths, self.blend = bank, strengths, blend

    def fill(self, image: NDArray[np.float32], condition: int, start: int, stop: int, out: NDArray[np.float32]) -> None:
        weight = np.float32(self.strengths[condition])
        np.multiply(self.bank[start:stop], weight, out=out)
        out += image * (1 - weight) if self.blend else image
        np.clip(out, 0, 1, out=out)
