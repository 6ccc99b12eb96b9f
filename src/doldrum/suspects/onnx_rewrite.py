"""Put preprocessing before an ONNX graph, and turn its output into scores (N, K) or labels (N,)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from doldrum.suspects.base import Preprocessing
from doldrum.suspects.image_input import KINDS, ImageInput
from doldrum.suspects.onnx_graph import kept_nodes, opset
from doldrum.suspects.score_output import Chosen

__all__ = ["with_output", "with_preprocessing", "without_zipmap"]

_CLIP_TAKES_INPUTS = 11


class _Steps:
    """A chain of new nodes, with their constants, under names that the graph doesn't use yet."""

    def __init__(self, model: Any, start: str | None) -> None:
        graph = model.graph
        taken = {n for node in graph.node for n in (*node.input, *node.output)} | {t.name for t in graph.initializer}
        taken |= {v.name for v in (*graph.input, *graph.output, *graph.value_info)}
        self._fresh = (f"doldrum_{i}" for i in range(10**9) if f"doldrum_{i}" not in taken)
        self.model, self.nodes = model, []
        self.first = self.current = next(self._fresh) if start is None else start

    def add(self, op: str, *constants: Any, into: str | None = None, **attributes: Any) -> str:
        from onnx import helper, numpy_helper

        inputs = [self.current]
        for constant in constants:
            if not isinstance(constant, str):
                name = next(self._fresh)
                self.model.graph.initializer.append(numpy_helper.from_array(constant, name))
                constant = name
            inputs.append(constant)
        self.current = into or next(self._fresh)
        self.nodes.append(helper.make_node(op, inputs, [self.current], **attributes))
        return self.current

    def clip(self, low: float, high: float) -> None:
        if opset(self.model) < _CLIP_TAKES_INPUTS:
            self.add("Clip", min=float(low), max=float(high))
        else:
            self.add("Clip", np.array(low, np.float32), np.array(high, np.float32))

    def rounded(self, low: float, high: float) -> None:
        """Add nodes that round to whole numbers (halves are rounded up), and that clip the result to the range from
        `low` to `high`."""
        self.add("Add", np.array(0.5, np.float32))
        self.add("Floor")
        self.clip(low, high)


def with_preprocessing(model: Any, value: Any, found: ImageInput, wanted: Preprocessing, *, batch: int | None) -> None:
    """Change the graph's input to float32 images (N, C, H, W) in [0, 1].

    New nodes change the channel order, compute (scale * x - mean) / std, and change the type and the layout. If the
    model takes whole numbers, scale * x is first rounded and clipped to [0, scale]. After mean and std are applied, the
    result is rounded again.
    """
    from onnx import TensorProto, helper

    steps, kind = _Steps(model, None), value.type.tensor_type.elem_type
    if wanted.channels == "bgr":
        steps.add("Gather", np.array([2, 1, 0], np.int64), axis=1)
    if wanted.scale != 1:
        steps.add("Mul", np.array(wanted.scale, np.float32))
    if found.whole:
        steps.rounded(0, wanted.scale)
    if any(wanted.mean) or any(s != 1 for s in wanted.std):
        steps.add("Sub", np.array(wanted.mean, np.float32).reshape(1, -1, 1, 1))
        steps.add("Div", np.array(wanted.std, np.float32).reshape(1, -1, 1, 1))
        if found.whole:
            steps.rounded(*(KINDS[found.kind] if found.kind in ("uint8", "int8") else (-(2**24), 2**24)))
    _, height, width = wanted.input_shape
    if found.layout == "nhwc":
        steps.add("Transpose", perm=[0, 2, 3, 1])
    elif found.layout == "nhw":
        steps.add("Reshape", np.array([-1, height, width], np.int64))
    elif found.layout == "flat":
        steps.add("Flatten", axis=1)
    if kind != TensorProto.FLOAT:
        steps.add("Cast", to=kind)
    steps.add("Identity", into=value.name)
    new = helper.make_tensor_value_info(steps.first, TensorProto.FLOAT, [batch or "N", *wanted.input_shape])
    kept = [v for v in model.graph.input if v.name != value.name]
    _replace(model.graph, "node", [*steps.nodes, *model.graph.node])
    _replace(model.graph, "input", [new, *kept])


def with_output(model: Any, chosen: Chosen, *, batch: int | None, classes: int | None) -> None:
    """Keep only one output, scores float32 (N, K) or labels int64 (N,), and only the nodes that it needs."""
    from onnx import TensorProto, helper

    steps, output = _Steps(model, chosen.output.name), chosen.output
    rows = batch or "N"
    if chosen.form == "labels":
        steps.add("Cast", to=TensorProto.INT64)
        steps.add("Reshape", np.array([-1], np.int64))
        shape, kind = [rows], TensorProto.INT64
    else:
        steps.add("Cast", to=TensorProto.FLOAT)
        if chosen.form == "one":
            _two_classes(steps, probability=chosen.outputs == "probabilities")
        elif len(output.dims) == 1:
            steps.add("Reshape", np.array([1, -1], np.int64))
        else:
            steps.add("Flatten", axis=1)
        shape, kind = [rows, 2 if chosen.form == "one" else classes or "K"], TensorProto.FLOAT
    _replace(model.graph, "node", [*model.graph.node, *steps.nodes])
    _replace(model.graph, "node", kept_nodes(model, [steps.current]))
    _replace(model.graph, "output", [helper.make_tensor_value_info(steps.current, kind, shape)])


def _two_classes(steps: _Steps, *, probability: bool) -> None:
    """Add nodes that make two scores from one number: [1 - p, p] from a probability, or [0, z] from a logit."""
    second = steps.add("Reshape", np.array([-1, 1], np.int64))
    if probability:
        steps.add("Neg")
        steps.add("Add", np.array(1, np.float32))
    else:
        steps.add("Sub", second)
    steps.add("Concat", second, axis=1)


def without_zipmap(model: Any) -> list[Any]:
    """Remove skl2onnx's ZipMap nodes from the outputs, and return their class labels. The scores (N, K) remain, under the same name."""
    from onnx import TensorProto, helper

    names: list[Any] = []
    outputs = {value.name for value in model.graph.output}
    for node in list(model.graph.node):
        if node.op_type != "ZipMap" or node.domain != "ai.onnx.ml" or node.output[0] not in outputs:
            continue
        for attribute in node.attribute:
            names = [s.decode("utf-8", "replace") for s in attribute.strings] or list(attribute.ints) or names
        new = helper.make_node("Identity", [node.input[0]], [node.output[0]])
        nodes = [new if n.output and n.output[0] == node.output[0] else n for n in model.graph.node]
        value = helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, ["N", len(names) or "K"])
        values = [value if v.name == node.output[0] else v for v in model.graph.output]
        _replace(model.graph, "node", nodes)
        _replace(model.graph, "output", values)
    return names


def _replace(graph: Any, name: str, values: Sequence[Any]) -> None:
    """Replace the values of a graph's field by a copy of `values`. Without the copy, the values that `values` takes
    from this field would be deleted together with the field's old values."""
    import onnx

    new = onnx.GraphProto()
    getattr(new, name).extend(values)
    del getattr(graph, name)[:]
    getattr(graph, name).extend(getattr(new, name))
