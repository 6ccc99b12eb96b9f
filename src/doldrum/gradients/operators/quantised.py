"""Quantised operators. Integers are stored as floats, and gradients ignore the rounding (straight-through).

A value that is clipped to the type's range has no gradient, as is usual in quantisation-aware training.
"""

from __future__ import annotations

import torch

from doldrum.gradients.operators.layers import conv
from doldrum.gradients.operators.node import Node, Operator, Value, passed_through, unsupported

__all__ = ["OPERATORS", "ROUNDING"]

Tensor = torch.Tensor
ROUNDING = frozenset({"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"})
_RANGES = {torch.uint8: (0, 255), torch.int8: (-128, 127), torch.int16: (-32768, 32767)}


def _along(values: Value, x: Tensor, axis: int) -> Tensor:
    """Reshape `values` so that they broadcast against `x`. `values` are scales or zero points: one for the whole tensor
    `x`, or one for each index along `axis`."""
    if values is None:
        return torch.zeros((), device=x.device)
    if values.numel() == 1:
        return values.float().reshape(())
    shape = [1] * x.ndim
    shape[axis] = -1
    return values.float().reshape(shape)


def _quantised(x: Tensor, scale: Tensor, zero: Value, axis: int) -> Tensor:
    low, high = _RANGES.get(torch.uint8 if zero is None else zero.dtype, (0, 0))
    if not high:
        raise unsupported("QuantizeLinear", "a quantised type that is not 8 or 16 bits wide")
    scaled = x / _along(scale, x, axis)
    return (passed_through(torch.round(scaled), scaled) + _along(zero, x, axis)).clamp(low, high)


def _dequantised(x: Tensor, scale: Tensor, zero: Value, axis: int) -> Tensor:
    centred = x.double() - _along(zero, x, axis) if x.dtype == torch.int32 else x.float() - _along(zero, x, axis)
    return (centred * _along(scale, x, axis)).float()


def _quantize(node: Node, x: Tensor, scale: Tensor, zero: Value = None) -> Tensor:
    if node.get("block_size", 0) or (zero is None and node.get("output_dtype", 0) not in (0, 2)):
        raise unsupported(node.op, "block-wise quantisation, or an output type but no zero point")
    return _quantised(x, scale, zero, node.get("axis", 1))


def _dequantize(node: Node, x: Tensor, scale: Tensor, zero: Value = None) -> Tensor:
    if node.get("block_size", 0):
        raise unsupported(node.op, "blocks")
    return _dequantised(x, scale, zero, node.get("axis", 1))


def _dynamic(node: Node, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    with torch.no_grad():
        low, high = x.min().clamp(max=0), x.max().clamp(min=0)
        scale = (high - low) / 255
        zero = torch.round(-low / scale).clamp(0, 255)
    scaled = x / scale
    return (passed_through(torch.round(scaled), scaled) + zero).clamp(0, 255), scale, zero


def _q_conv(
    node: Node, x: Tensor, x_scale: Tensor, x_zero: Tensor, w: Tensor, w_scale: Tensor, w_zero: Tensor,
    y_scale: Tensor, y_zero: Tensor, bias: Value = None,
) -> Tensor:  # fmt: skip
    x, weight = _dequantised(x, x_scale, x_zero, 1), _dequantised(w, w_scale, w_zero, 0)
    bias = None if bias is None else bias.float() * (x_scale.reshape(()) * w_scale.reshape(-1))
    return _quantised(conv(node, x, weight, bias), y_scale, y_zero, 1)


def _q_matmul(
    node: Node, a: Tensor, a_scale: Tensor, a_zero: Tensor, b: Tensor, b_scale: Tensor, b_zero: Tensor,
    y_scale: Tensor, y_zero: Tensor,
) -> Tensor:  # fmt: skip
    product = _dequantised(a, a_scale, a_zero, -2) @ _dequantised(b, b_scale, b_zero, -1)
    return _quantised(product, y_scale, y_zero, -1)


def _matmul_integer(node: Node, a: Tensor, b: Tensor, a_zero: Value = None, b_zero: Value = None) -> Tensor:
    return (a.float() - _along(a_zero, a, -2)) @ (b.float() - _along(b_zero, b, -1))


def _conv_integer(node: Node, x: Tensor, w: Tensor, x_zero: Value = None, w_zero: Value = None) -> Tensor:
    return conv(node, x.float() - _along(x_zero, x, 1), w.float() - _along(w_zero, w, 0))


OPERATORS: dict[str, Operator] = {
    "QuantizeLinear": _quantize, "DequantizeLinear": _dequantize, "DynamicQuantizeLinear": _dynamic, "QLinearConv": _q_conv,
    "QLinearMatMul": _q_matmul, "MatMulInteger": _matmul_integer, "ConvInteger": _conv_integer,
}  # fmt: skip
"""Maps the name of each ONNX operator in this file to the function that computes the operator."""
