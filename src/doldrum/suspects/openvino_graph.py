"""Put preprocessing before an OpenVINO graph, and turn its output into scores (N, K) or labels (N,)."""

from __future__ import annotations

from typing import Any

import numpy as np

from doldrum.errors import ClassifierError
from doldrum.intake import visible
from doldrum.suspects.base import Preprocessing
from doldrum.suspects.image_input import KINDS, ImageInput, image_input
from doldrum.suspects.score_output import Chosen, Output

__all__ = ["argmax_width", "ov_input", "ov_outputs", "with_output", "with_preprocessing", "with_signed_weights"]

_KINDS = {
    "f32": "float",
    "f16": "float",
    "f64": "float",
    "bf16": "float",
    "u8": "uint8",
    "i8": "int8",
    "i32": "int32",
    "i64": "int64",
}
_NUMBERS = {"float": "float", "uint8": "byte", "int8": "byte", "int32": "integer", "int64": "integer"}
_PASSING = {"Convert", "Reshape", "Squeeze", "Unsqueeze", "Result", "FakeQuantize"}


def ov_input(model: Any, shown: str) -> ImageInput:
    """Return the model's only input, and the layout of images in this input. Raises ClassifierError unless there is
    exactly one input."""
    if len(model.inputs) != 1:
        found = ", ".join(visible(_name(i), most=40) for i in model.inputs[:6])
        raise ClassifierError(
            f"expected one input of images, got {len(model.inputs)} inputs ({found}) in {shown}; export the model with one input"
        )
    given = model.inputs[0]
    kind = str(given.get_element_type().get_type_name())
    return image_input(_name(given), _dims(given, shown), _KINDS.get(kind, kind), last=None, shown=shown)


def ov_outputs(model: Any, shown: str) -> list[Output]:
    """The graph's outputs."""
    sources = [output.get_node().input_value(0) for output in model.outputs]
    above = [_above(source.get_node()) for source in sources]
    names = [_name(output) for output in model.outputs]
    found = []
    for i, output in enumerate(model.outputs):
        kind = _KINDS.get(output.get_element_type().get_type_name(), "other")
        own = sources[i].get_node().get_friendly_name()
        feeds = frozenset(names[j] for j in range(len(names)) if j != i and (own in above[j] or above[i] < above[j]))
        found.append(
            Output(names[i], _NUMBERS.get(kind, "other"), _dims(output, shown), _made_by(sources[i])[0], feeds)
        )
    return found


def argmax_width(model: Any, index: int) -> int | None:
    """For an output computed by ArgMax, the number of scores that ArgMax compares. The result is None if ArgMax does
    not compute the output, or if the number of scores is open."""
    made_by, node = _made_by(model.outputs[index].get_node().input_value(0))
    if made_by != "argmax":
        return None
    side = node.input_value(0).get_partial_shape()[node.get_attributes()["axis"]]
    return side.get_length() if side.is_static else None


def with_signed_weights(model: Any) -> bool:
    """Convert uint8 weights without a zero point to int8, and return whether there were any such weights.

    TensorFlow's early converters wrote the int8 weights of float models as uint8. TensorFlow Lite reads these uint8
    weights as int8. OpenVINO (2026.4) reads such weights as uint8, and computes wrong outputs. Source: TensorFlow Lite,
    kernels/conv.cc, GetInt8DataPtr.
    """
    import openvino.opset13 as ops

    nodes = model.get_ops()
    if any(
        node.get_type_name() == "FakeQuantize" for node in nodes
    ):  # activations are of 8 bits too: its weights are what they say
        return False
    found = False
    for node in nodes:
        before = node.input_value(0).get_node() if node.get_type_name() == "Multiply" else None
        if before is None or before.get_type_name() != "Convert":
            continue
        weights = before.input_value(0).get_node()
        if weights.get_type_name() == "Constant" and weights.get_element_type().get_type_name() == "u8":
            weights.output(0).replace(ops.constant(weights.data.view(np.int8)).output(0))
            found = True
    if found:
        model.validate_nodes_and_infer_types()
    return found


def _name(port: Any) -> str:
    """Return the name that the file gives an input or output. If the file gives no name, return the name of the
    node."""
    names = sorted(port.get_names())
    return names[0] if names else port.get_node().get_friendly_name()


def _dims(port: Any, shown: str) -> tuple[int | None, ...]:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        raise ClassifierError(
            f"expected shapes of a known rank, got a shape of any rank in {shown}; export the model with fixed shapes"
        )
    return tuple(side.get_length() if side.is_static else None for side in shape)


def _made_by(source: Any) -> tuple[str, Any]:
    for _ in range(20):
        node, kind = source.get_node(), source.get_node().get_type_name()
        if kind in ("Softmax", "Sigmoid"):
            return kind.lower(), node
        if kind == "TopK" and source.get_index() == 1:
            return "argmax", node
        if kind not in _PASSING:
            break
        source = node.input_value(0)
    return "other", None


def _above(node: Any) -> set[str]:
    """The names of all nodes from which a node is computed."""
    seen, left = set[str](), [node]
    while left:
        for value in left.pop().input_values():
            before = value.get_node()
            if before.get_friendly_name() not in seen:
                seen.add(before.get_friendly_name())
                left.append(before)
    return seen


def with_preprocessing(ov: Any, model: Any, found: ImageInput, wanted: Preprocessing, *, batch: int | None) -> Any:
    """Change the model's input to float32 images (N, C, H, W) in [0, 1], like `onnx_rewrite.with_preprocessing`, and return it."""
    import openvino.opset13 as ops

    old = model.get_parameters()[0]
    images = ops.parameter(ov.PartialShape([batch or -1, *wanted.input_shape]), np.float32, name="images")
    x = images
    if wanted.channels == "bgr":
        x = ops.gather(x, np.array([2, 1, 0], np.int64), np.int64(1))
    if wanted.scale != 1:
        x = ops.multiply(x, np.float32(wanted.scale))
    if found.whole:
        x = _rounded(ops, x, 0, wanted.scale)
    if any(wanted.mean) or any(s != 1 for s in wanted.std):
        x = ops.subtract(x, np.array(wanted.mean, np.float32).reshape(1, -1, 1, 1))
        x = ops.divide(x, np.array(wanted.std, np.float32).reshape(1, -1, 1, 1))
        if found.whole:
            x = _rounded(ops, x, *(KINDS[found.kind] if found.kind in ("uint8", "int8") else (-(2**24), 2**24)))
    _, height, width = wanted.input_shape
    if found.layout == "nhwc":
        x = ops.transpose(x, np.array([0, 2, 3, 1], np.int64))
    elif found.layout == "nhw":
        x = ops.reshape(x, np.array([-1, height, width], np.int64), special_zero=False)
    elif found.layout == "flat":
        x = ops.reshape(x, np.array([0, -1], np.int64), special_zero=True)
    kind = old.get_element_type().get_type_name()
    x = x if kind == "f32" else ops.convert(x, kind)
    model.add_parameters([images])
    old.output(0).replace(x.output(0))
    model.remove_parameter(old)
    return images


def _rounded(ops: Any, x: Any, low: float, high: float) -> Any:
    """Round to whole numbers (halves are rounded up), and clip the result to the range from `low` to `high`."""
    return ops.clamp(ops.floor(ops.add(x, np.float32(0.5))), float(low), float(high))


def with_output(ov: Any, images: Any, source: Any, chosen: Chosen) -> Any:
    """Build a model from the input to one output: scores float32 (N, K) or labels int64 (N,)."""
    import openvino.opset13 as ops

    row = np.array([0, -1], np.int64)
    if chosen.form == "labels":
        y = ops.reshape(ops.convert(source, "i64"), np.array([-1], np.int64), special_zero=False)
    else:
        y = ops.convert(source, "f32")
        if chosen.form == "one":
            second = ops.reshape(y, np.array([-1, 1], np.int64), special_zero=False)
            first = ops.subtract(np.float32(1) if chosen.outputs == "probabilities" else second, second)
            y = ops.concat([first, second], 1)
        elif len(chosen.output.dims) == 1:
            y = ops.reshape(y, np.array([1, -1], np.int64), special_zero=False)
        else:
            y = ops.reshape(y, row, special_zero=True)
    made = ov.Model([ops.result(y)], [images], "doldrum")
    made.validate_nodes_and_infer_types()
    return made
