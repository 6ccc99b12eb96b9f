"""Read the nodes and constants of an ONNX file, to run them with torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from doldrum.errors import ClassifierError
from doldrum.gradients.operators.node import Node, unsupported
from doldrum.gradients.operators.table import OPERATORS
from doldrum.lazy import extras

__all__ = ["Body", "read_graph", "reads"]

_OLDEST = 7  # before it, operators broadcast in another way
_STANDARD = {"", "ai.onnx"}
_SHAPES_ALONE = {"Shape", "Size"}
_GRAPHS = {"If"}
_HALF = {10, 16}  # TensorProto.DataType: float16, bfloat16


@dataclass(frozen=True)
class Body:
    """A graph, or a graph inside a node, with its nodes in order, its constants, and the names of its outputs."""

    nodes: tuple[Node, ...]
    constants: dict[str, torch.Tensor]
    outputs: tuple[str, ...]


def reads(node: Node) -> Iterable[str]:
    """All names of values that a node reads, including names that the graphs inside the node read."""
    yield from (name for name in node.inputs if name)
    for body in node.bodies:
        yield from body.outputs
        for inner in body.nodes:
            yield from reads(inner)


def read_graph(path: Path, output: str) -> tuple[Body, str, int | None, bool]:
    """Read an ONNX file: the nodes that are needed to compute the output named `output`. Also return the name of the
    graph's input, the batch size (None if it is not fixed), and whether the weights are in half precision.

    Functions that the file defines are expanded. Weights in half precision become fp32.

    Raises ClassifierError for an operator whose gradient is not known here.
    """
    with extras():
        import onnx
        from onnx import inliner
    model = onnx.load_model(str(path), load_external_data=False)
    if len(model.functions):
        model = inliner.inline_local_functions(model)
    opsets = {o.domain: o.version for o in model.opset_import}
    opset = opsets.get("", opsets.get("ai.onnx", 0))
    if opset < _OLDEST:
        raise ClassifierError(
            f"expected an ONNX file of opset {_OLDEST} or newer for gradients, got {opset}; export it again"
        )
    weights = {tensor.name for tensor in model.graph.initializer}
    (value,) = [v for v in model.graph.input if v.name not in weights]
    batch = value.type.tensor_type.shape.dim[0].dim_value
    half = any(t.data_type in _HALF for t in model.graph.initializer)
    body = _body(model.graph, [output], opset, {value.name})
    return body, value.name, batch if batch > 0 else None, half


def _body(graph: Any, outputs: list[str], opset: int, depends: set[str]) -> Body:
    """Read a graph. `depends` is the set of the names of values that depend on the images. The function adds names from
    this graph to `depends`."""
    from onnx import numpy_helper

    nodes = []
    for proto in _needed(graph, outputs):
        known = proto.domain in _STANDARD and (proto.op_type in OPERATORS or proto.op_type in _GRAPHS)
        if not known:
            raise unsupported(f"{proto.domain}:{proto.op_type}" if proto.domain not in _STANDARD else proto.op_type)
        attributes, bodies = _attributes(proto, opset, depends)
        node = Node(
            op=proto.op_type, inputs=tuple(proto.input), outputs=tuple(proto.output), attributes=attributes, opset=opset, bodies=bodies,
        )  # fmt: skip
        if node.op not in _SHAPES_ALONE and any(name in depends for name in reads(node)):
            depends.update(node.outputs)
            node = Node(**{**vars(node), "depends": True})
        nodes.append(node)
    if len(graph.sparse_initializer):
        raise unsupported("Constant", "sparse weights")
    constants = {tensor.name: _tensor(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
    return Body(tuple(nodes), constants, tuple(outputs))


def _needed(graph: Any, outputs: list[str]) -> list[Any]:
    """Return the nodes of the graph that are needed to compute `outputs`, in the graph's order."""
    wanted, kept = set(outputs), []
    for proto in reversed(graph.node):
        if wanted & set(proto.output):
            kept.append(proto)
            wanted |= _names(proto)
    return kept[::-1]


def _names(proto: Any) -> set[str]:
    found = set(proto.input)
    for attribute in proto.attribute:
        if attribute.HasField("g"):
            found |= {v.name for v in attribute.g.output}
            for inner in attribute.g.node:
                found |= _names(inner)
    return found


def _attributes(proto: Any, opset: int, depends: set[str]) -> tuple[dict[str, Any], tuple[Body, ...]]:
    """Return a node's attributes as Python values, and the graphs that are attributes of the node. An If node has two
    graphs: first the graph for a true condition, then the graph for a false condition."""
    from onnx import AttributeProto, helper, numpy_helper

    found: dict[str, Any] = {}
    bodies: dict[str, Body] = {}
    for attribute in proto.attribute:
        if attribute.type == AttributeProto.GRAPH:
            bodies[attribute.name] = _body(attribute.g, [v.name for v in attribute.g.output], opset, depends)
        elif attribute.type == AttributeProto.TENSOR:
            found[attribute.name] = _tensor(numpy_helper.to_array(attribute.t))
        else:
            value = helper.get_attribute_value(attribute)
            found[attribute.name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    order = ("then_branch", "else_branch")
    return found, tuple(bodies[name] for name in order if name in bodies)


def _tensor(array: Any) -> torch.Tensor:
    """Convert a weight to a tensor. Floats become fp32. Integers keep their type, but unsigned integers of more than 8
    bits become int64."""
    array = np.asarray(array)
    if array.dtype.kind in "OSUc":
        raise unsupported("Constant", "text or complex numbers")
    if array.dtype.kind not in "biuf":  # ml_dtypes: bfloat16, float8, 4 bits
        array = array.astype(np.int8 if "int" in array.dtype.name else np.float32)
    elif array.dtype.kind == "f":
        array = array.astype(np.float32)
    elif array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    return torch.from_numpy(np.array(array))
