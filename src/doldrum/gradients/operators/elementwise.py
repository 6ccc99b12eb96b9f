"""Operators on single values: arithmetic, activations, comparisons, types."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from doldrum.gradients.operators.node import Node, Operator, Value, passed_through, unsupported

__all__ = ["OPERATORS", "ROUNDING", "cast"]

Tensor = torch.Tensor
ROUNDING = frozenset({"Floor", "Ceil", "Round"})


def _plain(function: Callable[..., Tensor]) -> Operator:
    return lambda node, *values: function(*values)


def _rounded(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda node, x: passed_through(function(x), x)


def _all(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda node, *values: functools.reduce(function, values)


def _div(node: Node, a: Tensor, b: Tensor) -> Tensor:
    return a / b if a.is_floating_point() or b.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _clip(node: Node, x: Tensor, low: Value = None, high: Value = None) -> Tensor:
    least: Any = node.get("min") if low is None else low.to(x.dtype)
    most: Any = node.get("max") if high is None else high.to(x.dtype)
    x = x if least is None else torch.maximum(x, torch.as_tensor(least, dtype=x.dtype, device=x.device))
    return x if most is None else torch.minimum(x, torch.as_tensor(most, dtype=x.dtype, device=x.device))


def _gelu(node: Node, x: Tensor) -> Tensor:
    return F.gelu(x, approximate=node.get("approximate", "none"))


def _selu(node: Node, x: Tensor) -> Tensor:
    alpha, gamma = node.get("alpha", 1.6732632423543772), node.get("gamma", 1.0507009873554805)
    return gamma * F.elu(x, alpha)


def _dropout(node: Node, x: Tensor, ratio: Value = None, training: Value = None) -> tuple[Tensor, None]:
    if training is not None and bool(training):
        raise unsupported(node.op, "training mode")
    return x, None


# TensorProto.DataType; all floats are fp32 here, so that gradients are.
_FLOATS, _BOOL = {1, 10, 11, 16}, 9
_WHOLE = {
    2: torch.uint8,
    3: torch.int8,
    4: torch.int64,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    12: torch.int64,
    13: torch.int64,
}


def cast(node: Node, x: Tensor) -> Tensor:
    """Convert to another type. Whole numbers that depend on the images stay floats, so that they have gradients."""
    to = node.get("to")
    if to in _FLOATS:
        return x.float()
    if to == _BOOL:
        return x != 0
    if to not in _WHOLE:
        raise unsupported(node.op, f"type {to}")
    if node.depends and x.is_floating_point():
        return passed_through(torch.trunc(x), x)
    return x.to(_WHOLE[to])


def _cast_like(node: Node, x: Tensor, like: Tensor) -> Tensor:
    if like.is_floating_point():
        return x.float()
    if node.depends and x.is_floating_point() and like.dtype != torch.bool:
        return passed_through(torch.trunc(x), x)
    return x.to(like.dtype)


OPERATORS: dict[str, Operator] = {
    **{n: _plain(f) for n, f in {
        "Sub": torch.sub, "Neg": torch.neg, "Abs": torch.abs, "Sqrt": torch.sqrt, "Exp": torch.exp, "Log": torch.log,
        "Reciprocal": torch.reciprocal, "Erf": torch.erf, "Sin": torch.sin, "Cos": torch.cos, "Tanh": torch.tanh, "Sign": torch.sign,
        "Sigmoid": torch.sigmoid, "Relu": torch.relu, "PRelu": lambda x, slope: torch.where(x < 0, x * slope, x), "Mish": F.mish,
        "Softplus": F.softplus, "Softsign": F.softsign, "HardSwish": lambda x: x * (x / 6 + 0.5).clamp(0, 1),
        "Pow": lambda x, y: torch.pow(x, y.to(x.dtype)), "IsNaN": torch.isnan, "Identity": lambda x: x,
        "Equal": torch.eq, "Greater": torch.gt, "GreaterOrEqual": torch.ge, "Less": torch.lt, "LessOrEqual": torch.le,
        "Not": torch.logical_not, "And": torch.logical_and, "Or": torch.logical_or, "Xor": torch.logical_xor,
        "Where": lambda c, a, b: torch.where(c.bool(), a, b),
    }.items()},
    **{n: _rounded(f) for n, f in {"Floor": torch.floor, "Ceil": torch.ceil, "Round": torch.round}.items()},
    **{n: _all(f) for n, f in {
        "Add": torch.add, "Mul": torch.mul, "Sum": torch.add, "Min": torch.minimum, "Max": torch.maximum,
    }.items()},
    "Mean": lambda node, *values: functools.reduce(torch.add, values) / len(values),
    "Div": _div, "Clip": _clip, "Gelu": _gelu, "Selu": _selu, "Dropout": _dropout, "Cast": cast, "CastLike": _cast_like,
    "LeakyRelu": lambda node, x: F.leaky_relu(x, node.get("alpha", 0.01)),
    "Elu": lambda node, x: F.elu(x, node.get("alpha", 1.0)),
    "Celu": lambda node, x: F.celu(x, node.get("alpha", 1.0)),
    "ThresholdedRelu": lambda node, x: F.threshold(x, node.get("alpha", 1.0), 0.0),
    "Swish": lambda node, x: x * torch.sigmoid(node.get("alpha", 1.0) * x),
    "Shrink": lambda node, x: torch.where(x.abs() > node.get("lambd", 0.5), x - torch.sign(x) * node.get("bias", 0.0), 0.0),
    "HardSigmoid": lambda node, x: (node.get("alpha", 0.2) * x + node.get("beta", 0.5)).clamp(0, 1),
    "IsInf": lambda node, x: (torch.isposinf(x) & bool(node.get("detect_positive", 1)))
    | (torch.isneginf(x) & bool(node.get("detect_negative", 1))),
}  # fmt: skip
"""Maps the name of each ONNX operator in this file to the function that computes the operator."""
