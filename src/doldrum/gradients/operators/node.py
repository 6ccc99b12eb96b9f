"""Node: one node of an ONNX graph, which is passed to the function of its operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from doldrum.errors import ClassifierError
from doldrum.intake import visible

__all__ = ["Node", "Operator", "Value", "passed_through", "unsupported", "whole"]

Value = torch.Tensor | None
"""A tensor, or None for an optional input that is left out."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node of an ONNX graph. `inputs` and `outputs` are the names of values; an optional value that is left out has
    the name "".

    `depends` says whether the node's outputs depend on the pixels of the images, and not only on the shape of the
    images.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    opset: int
    depends: bool = False
    bodies: tuple[Any, ...] = ()

    def get(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)

    def having(self, **attributes: Any) -> Node:
        return replace(self, attributes={**self.attributes, **attributes})


Operator = Callable[..., Any]
"""The type of a function that computes an operator: `operator(node, *inputs)` returns one tensor, or a tuple of
tensors."""


def unsupported(op: str, what: str = "") -> ClassifierError:
    """The error for an operator whose gradient doldrum cannot compute. If `what` is given, the error is only about this
    use of the operator."""
    named = f"'{visible(op, most=60)}'{f' with {visible(what, most=120)}' if what else ''}"
    return ClassifierError(
        f"expected ONNX operators whose gradients doldrum knows, got {named}; give the model as a torch module, or use methods that need "
        "only scores"
    )


def whole(tensor: torch.Tensor) -> list[int]:
    """Convert a tensor of integers, such as sizes, axes or paddings, to a flat list of Python integers."""
    return [int(value) for value in tensor.reshape(-1).tolist()]


def passed_through(rounded: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return a tensor that has the values of `rounded` and the gradient of `x`. This gradient is the straight-through
    estimate (Bengio et al. 2013, 1308.3432)."""
    return x + (rounded - x).detach() if x.requires_grad else rounded
