"""Convert images between doldrum's layout and that of an estimator of the Adversarial Robustness Toolbox (ART)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError

__all__ = ["ArtLayout", "art_layout"]


@dataclass(frozen=True)
class ArtLayout:
    """The value range and the axis order of an ART estimator's inputs, to convert these inputs to doldrum's images and
    back.

    Parameters
    ----------
    low, high : float arrays, with the shape () or the estimator's shape
        ART's `clip_values`, which become the values 0 and 1 in doldrum's images.
    input_shape : (C, H, W)
        The shape of an image in doldrum.
    order : "chw", "hwc", "hw" or "rows"
        The axis order of one input of the estimator. "rows" means C * H * W features.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    input_shape: tuple[int, int, int]
    order: Literal["chw", "hwc", "hw", "rows"]

    def images(self, x: Any) -> NDArray[np.float32]:
        """Convert ART's inputs (N, ...) to doldrum's images: float32 (N, C, H, W) in [0, 1].

        >>> layout = ArtLayout(np.float32(0), np.float32(255), (3, 1, 2), "hwc")
        >>> layout.images(np.full((1, 1, 2, 3), 255)).shape
        (1, 3, 1, 2)
        """
        given = np.asarray(x, dtype=np.float32)
        if given.ndim < 2 or given.shape[1:] != self.shape:
            raise InputError(f"expected inputs of shape (N, {', '.join(map(str, self.shape))}), got {given.shape}")
        ours = (given - self.low) / (self.high - self.low)
        return np.ascontiguousarray(self._to_ours(ours), dtype=np.float32)

    def inputs(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert doldrum's images (N, C, H, W) to ART's inputs (N, ...)."""
        given = images.transpose(0, 2, 3, 1) if self.order == "hwc" else images
        scaled = given.reshape(len(images), *self.shape) * (self.high - self.low) + self.low
        return np.ascontiguousarray(scaled, dtype=np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input of the estimator."""
        c, h, w = self.input_shape
        return {"chw": (c, h, w), "hwc": (h, w, c), "hw": (h, w), "rows": (c * h * w,)}[self.order]

    def _to_ours(self, x: NDArray[Any]) -> NDArray[Any]:
        return x.transpose(0, 3, 1, 2) if self.order == "hwc" else x.reshape(len(x), *self.input_shape)

    def channel_first(self, values: NDArray[Any]) -> NDArray[Any]:
        """Convert `low` or `high` to an array that NumPy can broadcast against images (N, C, H, W)."""
        return (
            values.reshape(1, 1, 1, 1) if values.ndim == 0 else self._to_ours(np.broadcast_to(values, (1, *self.shape)))
        )


def art_layout(estimator: Any, input_shape: tuple[int, int, int] | None) -> ArtLayout:
    """The ArtLayout of an ART estimator, which must have `clip_values`. Raises InputError if the estimator's input
    shape is ambiguous, or does not fit `input_shape`."""
    bounds = getattr(estimator, "clip_values", None)
    if bounds is None:
        raise InputError(
            "expected an ART classifier with clip_values, got one without clip_values; make it with clip_values, e.g. clip_values=(0.0, 1.0)"
        )
    low, high = (np.asarray(b, dtype=np.float32) for b in bounds)
    shape = tuple(int(s) for s in getattr(estimator, "input_shape", None) or ())
    first = getattr(estimator, "channels_first", None)
    if len(shape) == 1:
        if input_shape is None or math.prod(input_shape) != shape[0]:
            got = "none" if input_shape is None else str(tuple(input_shape))
            raise InputError(
                f"expected an input_shape (C, H, W) with C * H * W = {shape[0]}, since ART's inputs are rows of {shape[0]} features, got {got}; pass input_shape="
            )
        return ArtLayout(low, high, (int(input_shape[0]), int(input_shape[1]), int(input_shape[2])), "rows")
    orders: dict[Any, tuple[int, ...]] = {}
    if len(shape) == 2:
        orders = {"hw": (1, *shape)}
    elif len(shape) == 3:
        orders = {"chw": shape, "hwc": (shape[2], *shape[:2])}
        if first is not None:
            orders = {"chw": shape} if first else {"hwc": orders["hwc"]}
        elif input_shape is None:  # the side with a number of channels, where only one has it
            orders = {k: s for k, s in orders.items() if s[0] in (1, 3)} or orders
    if input_shape is not None:
        orders = {k: s for k, s in orders.items() if s == tuple(input_shape)}
    if len(set(orders.values())) != 1:
        got = "none" if input_shape is None else str(tuple(input_shape))
        raise InputError(
            f"expected an input_shape (C, H, W) that fits the ART classifier's own shape {shape or None}, got {got}; pass input_shape="
        )
    order = next(iter(orders))
    c, h, w = orders[order]
    return ArtLayout(low, high, (c, h, w), order)
