"""An ONNX file as a Classifier: layout, preprocessing and the output that counts become part of the graph."""

from __future__ import annotations

import ast
import json
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.classifiers.adapters.onnx import OnnxClassifier
from doldrum.classifiers.base import Outputs
from doldrum.errors import ClassifierError, InputError
from doldrum.intake import visible
from doldrum.suspects.base import Preprocessing, Suspect, class_names_of
from doldrum.suspects.onnx_check import checked_onnx

__all__ = ["open_onnx"]

_FLOATS = {1: np.float32, 10: np.float16, 11: np.float64}  # by TensorProto.DataType
_INTEGERS = {6, 7}
_PASSING = {"Identity", "Flatten", "Reshape", "Squeeze", "Cast"}
_NAME_KEYS = ("names", "class_names", "classes", "labels", "character", "id2label")
_SIZE_KEYS = ("imgsz", "input_size", "image_size")
_MOST_TEXT = 1 << 20


def open_onnx(
    path: str | os.PathLike[str],
    *,
    preprocessing: Preprocessing | None,
    outputs: Outputs | None,
    num_classes: int | None,
) -> Suspect:
    """See `open_model`. The file is checked whole before ONNX Runtime sees a byte of it."""
    shown, notes = visible(path), []
    model = checked_onnx(path)
    metadata = {p.key: p.value for p in model.metadata_props if len(p.value) <= _MOST_TEXT}
    value = _image_input(model, shown)
    dims = [d.dim_value or None for d in value.type.tensor_type.shape.dim]
    last = dims[1] not in (1, 3) and dims[3] in (1, 3)  # channels last
    channels, height, width = (dims[3], dims[1], dims[2]) if last else dims[1:]
    wanted = preprocessing or _from_metadata(metadata, channels, height, width, shown, notes)
    for side, given in zip((channels, height, width), wanted.input_shape, strict=True):
        if side is not None and side != given:
            got = f"{wanted.input_shape} (channels, height, width)"
            raise InputError(
                f"expected images of {(channels, height, width)} as {shown} fixes them, got {got}; leave it out"
            )
    output, kind, rank = _output(model, shown)
    outputs = outputs or kind
    changed = last or wanted.normalises or rank == 4 or len(model.graph.output) > 1
    changed = changed or value.type.tensor_type.elem_type != 1
    folder = None
    if changed:
        _rewrite(model, value, output, wanted, last=last, flatten=rank == 4)
        folder = tempfile.mkdtemp(prefix="doldrum-onnx-")
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        if last:
            notes.append("the model takes channels last; a transpose was put before it")
    try:
        classifier = OnnxClassifier(
            Path(path), input_shape=wanted.input_shape, num_classes=num_classes, outputs=outputs
        )
    except Exception as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, (InputError, ClassifierError)):  # with the name that the user knows, as one line
            text = str(error).replace(str(path), shown)
            raise type(error)(visible(text, most=600)) from error
        raise
    if folder is not None:
        weakref.finalize(classifier, shutil.rmtree, folder, ignore_errors=True)
    names = next(
        (n for key in _NAME_KEYS if (n := class_names_of(_value(metadata.get(key)), classifier.num_classes))), None
    )
    return Suspect(classifier=classifier, format="onnx", preprocessing=wanted, class_names=names, notes=tuple(notes))


def _image_input(model: Any, shown: str) -> Any:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    fine = [v for v in inputs if len(v.type.tensor_type.shape.dim) == 4 and v.type.tensor_type.elem_type in _FLOATS]
    if len(inputs) != 1 or len(fine) != 1:
        found = ", ".join(
            f"{visible(v.name, most=40)} of rank {len(v.type.tensor_type.shape.dim)}, type {v.type.tensor_type.elem_type}"
            for v in inputs[:4]
        )
        raise ClassifierError(f"expected one float input of images (N, C, H, W), got {found or 'none'} in {shown}")
    return fine[0]


def _from_metadata(
    metadata: dict[str, str], channels: Any, height: Any, width: Any, shown: str, notes: list[str]
) -> Preprocessing:
    size = next((s for key in _SIZE_KEYS if (s := _value(metadata.get(key))) is not None), None)
    size = size if isinstance(size, (list, tuple)) and len(size) == 2 else (size, size)
    height, width = height or size[0], width or size[1]
    if not isinstance(height, int) or not isinstance(width, int) or channels not in (1, 3):
        raise InputError(
            f"expected a file that fixes the size and channels of its images, got {shown}, which leaves them open; pass "
            "size="
        )
    grey: dict[str, Any] = {"channels": "grey"} if channels == 1 else {}
    order = str(metadata.get("channels", metadata.get("channel_order", ""))).lower()
    if channels == 3 and order in ("rgb", "bgr"):
        grey = {"channels": order}
    mean, std = _value(metadata.get("mean")), _value(metadata.get("std"))
    if mean is not None and std is not None:
        notes.append("mean and std were read from the file's metadata")
        return Preprocessing(size=(height, width), mean=mean, std=std, **grey)
    notes.append(
        "the file doesn't say how images are normalised; pixels were passed as RGB in [0, 1]: pass mean, std and channel order "
        "if the model wants others"
    )
    return Preprocessing(size=(height, width), **grey)


def _value(text: str | None) -> Any:
    """A literal in metadata, as JSON or as Python writes it; lines of text are a list; None for anything else."""
    if text is None:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return text.splitlines() if "\n" in text else None


def _output(model: Any, shown: str) -> tuple[Any, Outputs, int]:
    """The output that holds scores or labels, which of them, and its rank."""
    makers = {name: node for node in model.graph.node for name in node.output}
    labels = None
    for value in model.graph.output:
        tensor = value.type.tensor_type
        dims = [d.dim_value for d in tensor.shape.dim]
        if tensor.elem_type in _FLOATS and (len(dims) == 2 or (len(dims) == 4 and dims[2:] == [1, 1])):
            return value, _kind(value.name, makers), len(dims)
        if tensor.elem_type in _INTEGERS and len(dims) == 1:
            labels = labels or value
    if labels is None:
        found = ", ".join(str([d.dim_value for d in v.type.tensor_type.shape.dim]) for v in model.graph.output[:4])
        raise ClassifierError(
            f"expected an output of scores (N, K) or labels (N,), got shapes {found or 'none'} in {shown}; it is no image classifier"
        )
    return labels, "labels", 1


def _kind(name: str, makers: dict[str, Any]) -> Outputs:
    for _ in range(10):
        node = makers.get(name)
        if node is None:
            break
        if node.op_type == "Softmax":
            return "probabilities"
        if node.op_type not in _PASSING or not node.input:
            break
        name = node.input[0]
    return "logits"


def _rewrite(model: Any, value: Any, output: Any, wanted: Preprocessing, *, last: bool, flatten: bool) -> None:
    """Put the preprocessing before the graph's input, and leave only the output that counts."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    taken = {n for node in graph.node for n in (*node.input, *node.output)} | {t.name for t in graph.initializer}
    taken |= {v.name for v in (*graph.input, *graph.output)}
    fresh = (f"doldrum_{i}" for i in range(10**9) if f"doldrum_{i}" not in taken)
    images = current = next(fresh)
    before = []

    def add(op: str, constant: Any = None, **attributes: Any) -> None:
        nonlocal current
        inputs = [current]
        if constant is not None:
            inputs.append(next(fresh))
            graph.initializer.append(numpy_helper.from_array(constant, inputs[-1]))
        current = next(fresh)
        before.append(helper.make_node(op, inputs, [current], **attributes))

    if wanted.channels == "bgr":
        add("Gather", np.array([2, 1, 0], np.int64), axis=1)
    add("Sub", np.array(wanted.mean, np.float32).reshape(1, -1, 1, 1))
    add("Div", np.array(wanted.std, np.float32).reshape(1, -1, 1, 1))
    if value.type.tensor_type.elem_type != TensorProto.FLOAT:
        add("Cast", to=value.type.tensor_type.elem_type)
    if last:
        add("Transpose", perm=[0, 2, 3, 1])
    before.append(helper.make_node("Identity", [current], [value.name]))
    first = value.type.tensor_type.shape.dim[0]
    batch = first.dim_value if first.HasField("dim_value") and first.dim_value > 0 else "N"
    new = onnx.GraphProto()  # copies, since what is deleted from a message takes its parts along
    new.node.extend([*before, *graph.node])
    new.input.append(helper.make_tensor_value_info(images, TensorProto.FLOAT, [batch, *wanted.input_shape]))
    new.input.extend([v for v in graph.input if v.name != value.name])
    new.output.append(output)
    if flatten:
        tensor = output.type.tensor_type
        new.node.append(helper.make_node("Flatten", [output.name], [flat := next(fresh)], axis=1))
        new.output[0].CopyFrom(
            helper.make_tensor_value_info(flat, tensor.elem_type, [batch, tensor.shape.dim[1].dim_value or "K"])
        )
    for name in ("node", "input", "output"):
        del getattr(graph, name)[:]
        getattr(graph, name).extend(getattr(new, name))
