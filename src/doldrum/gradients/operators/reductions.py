"""Operators that reduce many numbers to one along axes, such as sum, mean and argmax."""

from __future__ import annotations

from collections.abc import Callable

import torch

from doldrum.gradients.operators.node import Node, Operator, Value, whole

__all__ = ["OPERATORS"]

Tensor = torch.Tensor


def _over(function: Callable[[Tensor, list[int], bool], Tensor]) -> Operator:
    def reduce(node: Node, x: Tensor, axes: Value = None) -> Tensor:
        found = node.get("axes") if axes is None else whole(axes)
        if not found:
            if node.get("noop_with_empty_axes", 0):
                return x
            found = list(range(x.ndim))
        return function(x, list(found), bool(node.get("keepdims", 1)))

    return reduce


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((a % x.ndim for a in axes), reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


def _arg(function: Callable[..., Tensor]) -> Operator:
    def place(node: Node, x: Tensor) -> Tensor:
        axis, keep = node.get("axis", 0), bool(node.get("keepdims", 1))
        if node.get("select_last_index", 0):
            return x.shape[axis] - 1 - function(x.flip(axis), axis, keep)
        return function(x, axis, keep)

    return place


OPERATORS: dict[str, Operator] = {
    "ReduceMean": _over(lambda x, axes, keep: x.mean(axes, keep)),
    "ReduceSum": _over(lambda x, axes, keep: x.sum(axes, keep)),
    "ReduceMax": _over(lambda x, axes, keep: x.amax(axes, keep)),
    "ReduceMin": _over(lambda x, axes, keep: x.amin(axes, keep)),
    "ReduceProd": _over(_product),
    "ReduceL1": _over(lambda x, axes, keep: x.abs().sum(axes, keep)),
    "ReduceL2": _over(lambda x, axes, keep: torch.linalg.vector_norm(x, 2, dim=axes, keepdim=keep)),
    "ReduceSumSquare": _over(lambda x, axes, keep: x.square().sum(axes, keep)),
    "ReduceLogSumExp": _over(lambda x, axes, keep: x.logsumexp(axes, keep)),
    "ArgMax": _arg(torch.argmax),
    "ArgMin": _arg(torch.argmin),
}
"""Maps the name of each ONNX operator in this file to the function that computes the operator."""
