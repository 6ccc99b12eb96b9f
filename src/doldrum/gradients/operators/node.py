"""One node of a graph, as an operator sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from doldrum.errors import ClassifierError
from doldrum.intake import visible

__all__ = ["Node", "Operator", "Value", "passed_through", "unsupported", "whole"]

Value = torch.Tensor | None
"""A tensor; None for an optional input that is left out."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """`inputs` and `outputs` are names, "" for those left out; `depends` is whether its values, not their shapes alone, come from the images."""

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
"""`operator(node, *inputs)` gives one tensor, or a tuple of them."""


def unsupported(op: str, what: str = "") -> ClassifierError:
    """The error for an operator, or a way of using it, that no gradient is known for here."""
    named = f"'{visible(op, most=60)}'{f' with {visible(what, most=120)}' if what else ''}"
    return ClassifierError(
        f"expected ONNX operators whose gradients doldrum knows, got {named}; give the model as a torch module, or use methods that need "
        "only scores"
    )


def whole(tensor: torch.Tensor) -> list[int]:
    """The whole numbers in a tensor, such as sizes, axes or pads."""
    return [int(value) for value in tensor.reshape(-1).tolist()]


def passed_through(rounded: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The value of `rounded` with the gradient of `x`: the straight-through estimate (Bengio et al. 2013, 1308.3432)."""
    return x + (rounded - x).detach() if x.requires_grad else rounded
