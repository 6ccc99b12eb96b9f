"""Operators that rearrange values (reshape, slice, gather, pad), and operators that make constants."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from doldrum.gradients.operators.node import Node, Operator, Value, unsupported, whole

__all__ = ["OPERATORS"]

Tensor = torch.Tensor


def _axes(node: Node, given: Value) -> list[int] | None:
    """Return the axes that a node works on. In newer opsets, the axes are an input of the node; in older opsets, they
    are an attribute. The result is None if the node gives no axes."""
    return node.get("axes") if given is None else whole(given)


def _reshape(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    sizes = whole(shape)
    if not node.get("allowzero", 0):
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return x.reshape(sizes)


def _flatten(node: Node, x: Tensor) -> Tensor:
    axis = node.get("axis", 1)
    axis += x.ndim if axis < 0 else 0
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def _squeeze(node: Node, x: Tensor, axes: Value = None) -> Tensor:
    found = _axes(node, axes)
    return x.squeeze() if found is None else x.squeeze(tuple(found))


def _unsqueeze(node: Node, x: Tensor, axes: Value = None) -> Tensor:
    found = _axes(node, axes) or []
    for axis in sorted(a % (x.ndim + len(found)) for a in found):
        x = x.unsqueeze(axis)
    return x


def _slice(node: Node, x: Tensor, *given: Value) -> Tensor:
    if given:
        starts, ends, axes, steps = (None if g is None else whole(g) for g in (*given, None, None)[:4])
    else:
        starts, ends, axes, steps = node.get("starts"), node.get("ends"), node.get("axes"), None
    if starts is None or ends is None:
        raise unsupported(node.op, "neither starts nor ends")
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = axes[i] if axes is not None else i
        taken = range(*slice(start, end, steps[i] if steps is not None else 1).indices(x.shape[axis]))
        if taken.step == 1:
            x = x.narrow(axis, min(taken.start, x.shape[axis]), len(taken))
        else:
            x = x.index_select(axis, torch.tensor(list(taken), dtype=torch.int64, device=x.device))
    return x


def _index(node: Node, indices: Tensor, size: int) -> Tensor:
    if indices.requires_grad:
        raise unsupported(node.op, "indices that are computed from the image's pixels")
    indices = indices.long()
    return torch.where(indices < 0, indices + size, indices)


def _gather(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    axis = node.get("axis", 0) % x.ndim
    found = x.index_select(axis, _index(node, indices, x.shape[axis]).reshape(-1))
    return found.reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


def _gather_elements(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    axis = node.get("axis", 0)
    return x.gather(axis, _index(node, indices, x.shape[axis]))


def _scatter_nd(node: Node, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    if node.get("reduction", "none") != "none":
        raise unsupported(node.op, "a reduction")
    return x.index_put(tuple(indices.long().unbind(-1)), updates)


def _split(node: Node, x: Tensor, sizes: Value = None) -> tuple[Tensor, ...]:
    axis = node.get("axis", 0)
    found = node.get("split") if sizes is None else whole(sizes)
    if found is None:
        each = -(-x.shape[axis] // node.get("num_outputs", len(node.outputs)))
        return x.split(each, axis)
    return x.split(list(found), axis)


def _pad(node: Node, x: Tensor, pads: Value = None, value: Value = None, axes: Value = None) -> Tensor:
    given = list(node.get("pads", node.get("paddings", []))) if pads is None else whole(pads)
    wanted = [a % x.ndim for a in whole(axes)] if axes is not None else list(range(x.ndim))
    mode, around = node.get("mode", "constant"), {a: (given[i], given[i + len(wanted)]) for i, a in enumerate(wanted)}
    if mode == "constant":
        flat = [n for axis in reversed(range(x.ndim)) for n in around.get(axis, (0, 0))]
        return F.pad(x, flat, value=float(value) if value is not None else node.get("value", 0.0))
    for axis, (before, after) in around.items():
        size = x.shape[axis]
        places = torch.arange(-before, size + after, device=x.device)
        if mode == "edge":
            places = places.clamp(0, size - 1)
        elif mode == "wrap":
            places = places % size
        elif mode == "reflect":
            around_once = max(2 * (size - 1), 1)
            places = (size - 1 - (places % around_once - (size - 1)).abs()) if size > 1 else places * 0
        else:
            raise unsupported(node.op, f"mode {mode}")
        x = x.index_select(axis, places)
    return x


def _shape(node: Node, x: Tensor) -> Tensor:
    end = node.get("end")
    sizes = list(x.shape)[slice(node.get("start", 0), end)]
    return torch.tensor(sizes, dtype=torch.int64, device=x.device)


def _expand(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    return x.expand(np.broadcast_shapes(tuple(x.shape), tuple(whole(shape))))  # torch's own imports sympy


def _constant(node: Node) -> Tensor:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        found: Any = node.get(name)
        if found is not None:
            if isinstance(found, torch.Tensor):
                return found
            return torch.tensor(found, dtype=torch.float32 if "float" in name else torch.int64)
    raise unsupported(node.op, "a sparse value or text")


def _constant_of_shape(node: Node, shape: Tensor) -> Tensor:
    value = node.get("value", torch.zeros(1))
    return value.reshape(()).expand(whole(shape)).clone()


def _depth_to_space(node: Node, x: Tensor) -> Tensor:
    block, (n, c, h, w) = node.get("blocksize"), x.shape
    if node.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(x, block)
    parts = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, c // block**2, h * block, w * block)


def _space_to_depth(node: Node, x: Tensor) -> Tensor:
    block, (n, c, h, w) = node.get("blocksize"), x.shape
    parts = x.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(n, c * block**2, h // block, w // block)


def _range(node: Node, start: Tensor, limit: Tensor, step: Tensor) -> Tensor:
    return torch.arange(start.item(), limit.item(), step.item(), dtype=start.dtype, device=start.device)


def _trilu(node: Node, x: Tensor, k: Value = None) -> Tensor:
    cut = torch.triu if node.get("upper", 1) else torch.tril
    return cut(x, 0 if k is None else int(k))


OPERATORS: dict[str, Operator] = {
    "Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Slice": _slice,
    "Gather": _gather, "GatherElements": _gather_elements, "ScatterND": _scatter_nd, "Split": _split, "Pad": _pad,
    "Shape": _shape, "Size": lambda node, x: torch.tensor(x.numel()), "Expand": _expand, "Constant": _constant,
    "ConstantOfShape": _constant_of_shape, "DepthToSpace": _depth_to_space, "SpaceToDepth": _space_to_depth,
    "Range": _range, "Trilu": _trilu,
    "Transpose": lambda node, x: x.permute(node.get("perm", list(reversed(range(x.ndim))))),
    "Concat": lambda node, *values: torch.cat(values, node.get("axis")),
    "Tile": lambda node, x, repeats: x.repeat(whole(repeats)),
}  # fmt: skip
"""Maps the name of each ONNX operator in this file to the function that computes the operator."""
