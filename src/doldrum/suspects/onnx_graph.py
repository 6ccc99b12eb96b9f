"""Read the inputs and outputs of an ONNX graph, and run it once to measure its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from doldrum.classifiers.adapters.onnx import load_onnxruntime
from doldrum.errors import ClassifierError, check_memory_left
from doldrum.intake import visible
from doldrum.suspects.image_input import ImageInput, image_input
from doldrum.suspects.score_output import Output

__all__ = ["argmax_input", "batch_of", "dims_of", "kept_nodes", "onnx_input", "onnx_outputs", "opset", "run_once"]

_INPUTS = {1: "float", 10: "float", 11: "float", 2: "uint8", 3: "int8", 6: "int32", 7: "int64"}  # TensorProto.DataType
_NUMBERS = {1: "float", 10: "float", 11: "float", 2: "byte", 3: "byte", 6: "integer", 7: "integer"}
_PASSING = {"Identity", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Cast", "DequantizeLinear", "QuantizeLinear"}
_MADE = {"Softmax": "softmax", "Sigmoid": "sigmoid", "ArgMax": "argmax"}


def opset(model: Any) -> int:
    """The version of the standard operators that a model uses."""
    opsets = {o.domain: o.version for o in model.opset_import}
    return opsets.get("", opsets.get("ai.onnx", 0))


def dims_of(value: Any) -> tuple[int | None, ...]:
    """The sizes of an input or output; None for sizes that are open (stored as 0 or -1)."""
    return tuple(d.dim_value if d.dim_value > 0 else None for d in value.type.tensor_type.shape.dim)


def batch_of(value: Any) -> int | None:
    return next(iter(dims_of(value)), None)


def onnx_input(model: Any, shown: str) -> tuple[Any, ImageInput]:
    """Return the model's only input, and the layout of images in this input. Raises ClassifierError unless there is
    exactly one input."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        found = ", ".join(visible(v.name, most=40) for v in inputs[:6])
        raise ClassifierError(
            f"expected one input of images, got {len(inputs)} inputs{f' ({found})' if found else ''} in {shown}; export the model with one input"
        )
    value = inputs[0]
    kind = _INPUTS.get(value.type.tensor_type.elem_type, f"type {value.type.tensor_type.elem_type}")
    return value, image_input(value.name, dims_of(value), kind, last=_channels_last(model, value), shown=shown)


def _channels_last(model: Any, value: Any) -> bool | None:
    """Whether the model's input has channels last, for an input whose shape doesn't show this. The first transpose or
    convolution of the images shows the order of the axes.

    The result is None if the shape shows the order of the axes, or if neither the shape nor the operators show it.
    """
    dims = dims_of(value)
    if len(dims) != 4 or dims[1] in (1, 3) or dims[3] in (1, 3):
        return None
    name = value.name
    for node in model.graph.node:
        if name not in node.input:
            continue
        if node.op_type == "Transpose":
            return any(list(a.ints) == [0, 3, 1, 2] for a in node.attribute)
        if node.op_type == "Conv":
            return False
        if node.op_type in ("Cast", "Identity", "Sub", "Div", "Mul", "Add", "QuantizeLinear", "DequantizeLinear"):
            name = node.output[0]
    return None


def onnx_outputs(model: Any) -> list[Output]:
    """The graph's outputs, as the file declares them."""
    makers = {name: node for node in model.graph.node for name in node.output}
    above = {value.name: _above(model, value.name, makers) for value in model.graph.output}
    found = []
    for value in model.graph.output:
        tensor = value.type.tensor_type
        kind = _NUMBERS.get(tensor.elem_type, "other")
        own = above[value.name]
        feeds = frozenset(n for n, names in above.items() if n != value.name and (value.name in names or own < names))
        found.append(Output(value.name, kind, dims_of(value), _made_by(value.name, makers), feeds))
    return found


def _made_by(name: str, makers: dict[str, Any]) -> str:
    for _ in range(20):
        node = makers.get(name)
        if node is None:
            break
        if node.op_type in _MADE:
            return _MADE[node.op_type]
        if node.op_type not in _PASSING or not node.input:
            break
        name = node.input[0]
    return "other"


def argmax_input(model: Any, name: str) -> tuple[str, int] | None:
    """If an output comes from an ArgMax, the name of the ArgMax's input, and the axis of the ArgMax; otherwise None."""
    makers = {n: node for node in model.graph.node for n in node.output}
    for _ in range(20):
        node = makers.get(name)
        if node is None or not node.input:
            return None
        if node.op_type == "ArgMax":
            return node.input[0], next((a.i for a in node.attribute if a.name == "axis"), 0)
        if node.op_type not in _PASSING:
            return None
        name = node.input[0]
    return None


def _above(model: Any, name: str, makers: dict[str, Any]) -> set[str]:
    """The names of all values from which the value `name` is computed."""
    seen, left = set[str](), [name]
    while left:
        node = makers.get(left.pop())
        for used in _used(node) if node is not None else ():
            if used not in seen:
                seen.add(used)
                left.append(used)
    return seen


def _used(node: Any) -> Iterator[str]:
    """Yield the names that a node reads, including those that graphs inside the node read."""
    left = [node]
    while left:
        one = left.pop()
        yield from one.input
        for attribute in one.attribute:
            for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                left.extend(graph.node)
                yield from (value.name for value in graph.output)


def kept_nodes(model: Any, names: Iterable[str]) -> list[Any]:
    """The nodes that are needed to compute the values `names`, in the graph's order."""
    makers = {n: node for node in model.graph.node for n in node.output}
    needed = set(names)
    for name in list(needed):
        needed |= _above(model, name, makers)
    return [node for node in model.graph.node if needed & set(node.output)]


def run_once(model: Any, names: Sequence[str], shape: Sequence[int], shown: str) -> list[np.ndarray]:
    """Run the model in ONNX Runtime on grey images of the batch shape `shape`, and return the values called `names`."""
    from onnx import helper

    ort = load_onnxruntime()

    known = {value.name for value in model.graph.output}
    extra = [helper.make_empty_tensor_value_info(name) for name in names if name not in known]
    model.graph.output.extend(extra)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: np.full(shape, 0.5, np.float32)}
        return [np.asarray(value) for value in session.run(list(names), feed)]
    except Exception as error:  # onnxruntime's exceptions share no public base
        check_memory_left(error)
        why = visible(str(error), most=300)
        raise ClassifierError(f"expected {shown} to run on a plain image, got {why}; check the model") from error
    finally:
        if extra:
            del model.graph.output[-len(extra) :]
