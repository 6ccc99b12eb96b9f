"""Operators for layers: convolutions, pooling, matrix products, normalisation and softmax."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from doldrum.gradients.operators.node import Node, Operator, Value, unsupported

__all__ = ["OPERATORS", "conv", "softmax"]

Tensor = torch.Tensor
_CONVS = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}
_TRANSPOSED = {3: F.conv_transpose1d, 4: F.conv_transpose2d, 5: F.conv_transpose3d}
_MAX_POOLS = {3: F.max_pool1d, 4: F.max_pool2d, 5: F.max_pool3d}
_AVERAGE_POOLS: dict[int, Any] = {3: F.avg_pool1d, 4: F.avg_pool2d, 5: F.avg_pool3d}


def _ways(node: Node, table: dict[int, Any], x: Tensor) -> Any:
    if x.ndim not in table:
        raise unsupported(node.op, f"an input of {x.ndim} axes")
    return table[x.ndim]


def _window(node: Node, x: Tensor, kernel: list[int]) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return the strides, the dilations, the padding before, and the padding after: four lists with one number per
    image axis."""
    axes = len(kernel)
    strides = list(node.get("strides", [1] * axes))
    dilations = list(node.get("dilations", [1] * axes))
    auto = node.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        before, after = [], []
        for size, k, s, d in zip(x.shape[2:], kernel, strides, dilations, strict=True):
            total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
            less = total // 2
            before.append(less if auto == "SAME_UPPER" else total - less)
            after.append(total - before[-1])
        return strides, dilations, before, after
    pads = list(node.get("pads", [0] * 2 * axes)) if auto == "NOTSET" else [0] * 2 * axes
    return strides, dilations, pads[:axes], pads[axes:]


def _padded(x: Tensor, before: list[int], after: list[int], value: float) -> Tensor:
    """Pad the last axes of `x` with `value`. The lists `before` and `after` give the padding at the two ends of each
    axis."""
    flat = [n for pair in zip(reversed(before), reversed(after), strict=True) for n in pair]
    return F.pad(x, flat, value=value) if any(flat) else x


def conv(node: Node, x: Tensor, weight: Tensor, bias: Value = None) -> Tensor:
    """The ONNX operator Conv, a convolution."""
    strides, dilations, before, after = _window(node, x, list(weight.shape[2:]))
    pads = before
    if before != after:
        x, pads = _padded(x, before, after, 0.0), [0] * len(before)
    return _ways(node, _CONVS, x)(x, weight, bias, strides, pads, dilations, node.get("group", 1))


def _conv_transpose(node: Node, x: Tensor, weight: Tensor, bias: Value = None) -> Tensor:
    strides, dilations, before, after = _window(node, x, list(weight.shape[2:]))
    if before != after or node.get("output_shape") is not None or node.get("auto_pad", "NOTSET") != "NOTSET":
        raise unsupported(node.op, "padding that differs between the two ends of an axis, or a given output shape")
    more = node.get("output_padding", [0] * len(before))
    return _ways(node, _TRANSPOSED, x)(x, weight, bias, strides, before, more, node.get("group", 1), dilations)


def _max_pool(node: Node, x: Tensor) -> tuple[Tensor]:
    kernel = list(node.get("kernel_shape"))
    strides, dilations, before, after = _window(node, x, kernel)
    if before != after or any(2 * p > k for p, k in zip(before, kernel, strict=True)):
        x, before = _padded(x, before, after, float("-inf")), [0] * len(kernel)
    up = bool(node.get("ceil_mode", 0))
    return (_ways(node, _MAX_POOLS, x)(x, kernel, strides, before, dilations, up),)


def _average_pool(node: Node, x: Tensor) -> Tensor:
    kernel = list(node.get("kernel_shape"))
    strides, dilations, before, after = _window(node, x, kernel)
    if any(d != 1 for d in dilations):
        raise unsupported(node.op, "dilations")
    pool, up = _ways(node, _AVERAGE_POOLS, x), bool(node.get("ceil_mode", 0))
    counted = bool(node.get("count_include_pad", 0))
    if before == after and all(2 * p <= k for p, k in zip(before, kernel, strict=True)):
        return pool(x, kernel, strides, before, up, counted)
    means = pool(_padded(x, before, after, 0.0), kernel, strides, 0, up)
    return means if counted else means / pool(_padded(torch.ones_like(x), before, after, 0.0), kernel, strides, 0, up)


def _gemm(node: Node, a: Tensor, b: Tensor, c: Value = None) -> Tensor:
    a, b = (a.T if node.get("transA", 0) else a), (b.T if node.get("transB", 0) else b)
    product = node.get("alpha", 1.0) * (a @ b) if node.get("alpha", 1.0) != 1 else a @ b
    return product if c is None else product + node.get("beta", 1.0) * c


def _batch_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> tuple[Tensor]:
    if node.get("training_mode", 0) or not node.get("spatial", 1):
        raise unsupported(node.op, "normalisation by the statistics of the batch, or of single positions")
    return (F.batch_norm(x, mean, var, scale, bias, False, 0.0, node.get("epsilon", 1e-5)),)


def _layer_norm(node: Node, x: Tensor, scale: Tensor, bias: Value = None) -> tuple[Tensor]:
    axis = node.get("axis", -1) % x.ndim
    dims = list(range(axis, x.ndim))
    centred = x - x.mean(dims, keepdim=True)
    found = centred * torch.rsqrt(centred.square().mean(dims, keepdim=True) + node.get("epsilon", 1e-5)) * scale
    return (found if bias is None else found + bias,)


def _rms_norm(node: Node, x: Tensor, scale: Tensor) -> Tensor:
    dims = list(range(node.get("axis", -1) % x.ndim, x.ndim))
    return x * torch.rsqrt(x.square().mean(dims, keepdim=True) + node.get("epsilon", 1e-5)) * scale


def _group_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    groups, channels = node.get("num_groups"), x.shape[1]
    each = channels // len(scale)  # before opset 21 there is one scale per group
    return F.group_norm(
        x, groups, scale.repeat_interleave(each), bias.repeat_interleave(each), node.get("epsilon", 1e-5)
    )


def _lp_norm(node: Node, x: Tensor) -> Tensor:
    return x / torch.linalg.vector_norm(x, node.get("p", 2), dim=node.get("axis", -1), keepdim=True)


def softmax(node: Node, x: Tensor) -> Tensor:
    """The ONNX operators Softmax and LogSoftmax. Before opset 13, both operators normalise over all axes from `axis`
    on."""
    function = F.log_softmax if node.op == "LogSoftmax" else F.softmax
    if node.opset >= 13:
        return function(x, dim=node.get("axis", -1))
    axis = node.get("axis", 1) % x.ndim
    return function(x.flatten(axis), dim=-1).reshape(x.shape)


def _over_places(x: Tensor) -> list[int]:
    return list(range(2, x.ndim))


OPERATORS: dict[str, Operator] = {
    "Conv": conv, "ConvTranspose": _conv_transpose, "MaxPool": _max_pool, "AveragePool": _average_pool, "Gemm": _gemm,
    "MatMul": lambda node, a, b: torch.matmul(a, b),
    "Einsum": lambda node, *values: torch.einsum(node.get("equation"), *values),
    "BatchNormalization": _batch_norm, "LayerNormalization": _layer_norm, "RMSNormalization": _rms_norm,
    "GroupNormalization": _group_norm, "LpNormalization": _lp_norm, "Softmax": softmax, "LogSoftmax": softmax,
    "InstanceNormalization": lambda node, x, scale, bias: F.instance_norm(
        x, weight=scale, bias=bias, eps=node.get("epsilon", 1e-5)
    ),
    "GlobalAveragePool": lambda node, x: x.mean(_over_places(x), keepdim=True),
    "GlobalMaxPool": lambda node, x: x.amax(_over_places(x), keepdim=True),
    "LRN": lambda node, x: F.local_response_norm(
        x, node.get("size"), node.get("alpha", 1e-4), node.get("beta", 0.75), node.get("bias", 1.0)
    ),
}  # fmt: skip
"""Maps the name of each ONNX operator in this file to the function that computes the operator."""
