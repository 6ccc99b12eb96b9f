"""The operators Resize and Upsample. Each axis is resized by a matrix product, so every mode has a gradient."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch

from doldrum.gradients.operators.node import Node, Operator, Value, unsupported, whole

__all__ = ["OPERATORS", "matrix"]

Tensor = torch.Tensor
_SINCE_COORDINATES = 11  # before it, Resize and Upsample are asymmetric and round down


def _resize(node: Node, x: Tensor, *given: Value) -> Tensor:
    old = node.opset < _SINCE_COORDINATES or node.op == "Upsample"
    if old:
        scales, sizes = (given[0] if given else None), None
    else:
        _, scales, sizes = (*given, None, None, None)[:3]
    if node.get("antialias", 0) or node.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise unsupported(node.op, "antialiasing, or a policy that keeps the aspect ratio")
    mode = {"bilinear": "linear"}.get(node.get("mode", "nearest"), node.get("mode", "nearest"))
    coordinates = "asymmetric" if old else node.get("coordinate_transformation_mode", "half_pixel")
    rounding = "floor" if old else node.get("nearest_mode", "round_prefer_floor")
    axes = node.get("axes") or list(range(x.ndim))
    if sizes is not None and sizes.numel():
        wanted = [(size, size / x.shape[axis]) for axis, size in zip(axes, whole(sizes), strict=True)]
    else:
        values = node.get("scales") if scales is None else scales.tolist()
        if values is None:
            raise unsupported(node.op, "neither scales nor sizes")
        wanted = [(math.floor(x.shape[axis] * scale), scale) for axis, scale in zip(axes, values, strict=True)]
    for axis, (size, scale) in zip(axes, wanted, strict=True):
        if size == x.shape[axis] and scale == 1:
            continue
        table = matrix(
            x.shape[axis], size, scale, mode, coordinates, rounding, node.get("cubic_coeff_a", -0.75), bool(node.get("exclude_outside", 0)),
        )  # fmt: skip
        if table is None:
            raise unsupported(node.op, f"mode {mode}, coordinates {coordinates}, rounding {rounding}")
        weights = torch.from_numpy(table).to(x.device)
        x = (x.movedim(axis, -1) @ weights.T).movedim(-1, axis)
    return x


@functools.lru_cache(maxsize=64)
def matrix(
    old: int, new: int, scale: float, mode: str, coordinates: str, rounding: str, a: float, exclude: bool
) -> np.ndarray | None:
    """The matrix of weights that resizes an axis from `old` to `new` pixels; the shape of the matrix is (new, old). The
    result is None if `mode`, `coordinates` or `rounding` has an unknown value.

    Source: ONNX operator Resize, "coordinate_transformation_mode", "nearest_mode", and the cubic kernel of Keys (1981) with coefficient `a`.

    >>> matrix(2, 4, 2.0, "nearest", "asymmetric", "floor", -0.75, False).argmax(axis=1).tolist()
    [0, 0, 1, 1]
    """
    i = np.arange(new, dtype=np.float64)
    half = (i + 0.5) / scale - 0.5
    even = new / (old * scale)
    places = {
        "half_pixel": half,
        "pytorch_half_pixel": half if new > 1 else 0 * i,
        "align_corners": i * (old - 1) / max(new - 1, 1),
        "asymmetric": i / scale,
        "half_pixel_symmetric": old / 2 * (1 - even) + half,
    }
    if coordinates not in places:
        return None
    x = places[coordinates]
    if mode == "nearest":
        ways = {
            "round_prefer_floor": np.ceil(x - 0.5),
            "round_prefer_ceil": np.floor(x + 0.5),
            "floor": np.floor(x),
            "ceil": np.ceil(x),
        }
        if rounding not in ways:
            return None
        taps, weights = ways[rounding][:, None], np.ones((new, 1))
    elif mode == "linear":
        x = x.clip(0, old - 1)
        low = np.floor(x)
        taps, weights = np.stack([low, low + 1], 1), np.stack([1 - (x - low), x - low], 1)
    elif mode == "cubic":
        low = np.floor(x)
        taps = low[:, None] + np.arange(-1, 3)
        d = np.abs(x[:, None] - taps)
        near, far = ((a + 2) * d - (a + 3)) * d * d + 1, ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        weights = np.where(d <= 1, near, np.where(d < 2, far, 0))
        if exclude:
            weights = np.where((taps < 0) | (taps >= old), 0, weights)
            weights = weights / weights.sum(1, keepdims=True)
    else:
        return None
    table = np.zeros((new, old))
    np.add.at(table, (np.arange(new)[:, None], taps.clip(0, old - 1).astype(int)), weights)
    return table.astype(np.float32)


OPERATORS: dict[str, Operator] = {"Resize": _resize, "Upsample": _resize}
"""Maps the name of each ONNX operator in this file to the function that computes the operator."""
