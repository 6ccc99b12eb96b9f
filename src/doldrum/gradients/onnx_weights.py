"""Find the weights of an ONNX graph that training may change, and write a file with new weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from doldrum.gradients.onnx_nodes import Body
from doldrum.gradients.operators.node import Node

__all__ = ["Layer", "layers_of", "replace_weights", "write_weights"]

_FIRST = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 0, "BatchNormalization": 1, "LayerNormalization": 1, "InstanceNormalization": 1, "GroupNormalization": 1}  # fmt: skip
_LAST = {"BatchNormalization": 3, "LayerNormalization": 3, "InstanceNormalization": 3, "GroupNormalization": 3}
_PASSING = {"Identity", "Transpose", "Reshape", "Cast"}


@dataclass(frozen=True)
class Layer:
    """A node that has weights: the node's operator, the names of its weights (the main weights first), and the name of
    its output."""

    op: str
    weights: tuple[str, ...]
    output: str


def layers_of(body: Body) -> list[Layer]:
    """The layers of a graph, in order, whose weights are floating-point constants of the file. If an Add node adds a
    bias after a MatMul node, this bias counts as a layer too."""
    makers = {name: node for node in body.nodes for name in node.outputs}
    found: list[Layer] = []
    for node in body.nodes:
        if node.op == "Add":
            behind = [makers[name].op for name in node.inputs if name in makers]
            names = [_initial(name, makers, body) for name in node.inputs if "MatMul" in behind]
        elif node.op in _FIRST and node.depends:
            names = [_initial(name, makers, body) for name in node.inputs[_FIRST[node.op] : _LAST.get(node.op)]]
        else:
            continue
        kept = tuple(name for name in names if name)
        if kept:
            found.append(Layer(node.op, kept, node.outputs[0]))
    return found


def _initial(name: str, makers: Mapping[str, Node], body: Body) -> str:
    """Find the floating-point constant from which the value `name` is made, perhaps by a transpose, a reshape or a
    cast. Return the name of the constant, or "" if there is none."""
    while name in makers and makers[name].op in _PASSING:
        name = makers[name].inputs[0]
    value = body.constants.get(name)
    return name if value is not None and value.is_floating_point() and value.ndim else ""


def replace_weights(model: Any, weights: Mapping[str, torch.Tensor | NDArray[Any]]) -> None:
    """Replace constants of an ONNX model by the values in `weights` with the same names. Each value is converted to the
    type of the constant."""
    from onnx import numpy_helper

    for tensor in model.graph.initializer:
        if tensor.name in weights:
            before = numpy_helper.to_array(tensor)
            value = weights[tensor.name]
            array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
            tensor.CopyFrom(numpy_helper.from_array(array.reshape(before.shape).astype(before.dtype), tensor.name))


def write_weights(source: Path, target: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Write the ONNX file `source` with new weights to `target`."""
    import onnx

    model = onnx.load_model(str(source), load_external_data=False)
    replace_weights(model, weights)
    target.write_bytes(model.SerializeToString(deterministic=True))
