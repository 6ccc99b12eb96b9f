"""One small colour network in the forms that people have, made by hand in a second: ONNX graphs, and what each is to be fed.

`make_forms(folder)` writes them. A `Form` has the file, what its author would feed it (`feed` turns uint8 images (N, 3, 16, 16) into the
file's own input), and what `open_model` is to be told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

T = TensorProto
SIZE, CLASSES = 16, 10


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        )  # fmt: skip
        self.f = nn.Linear(8 * 16, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.f(self.c(x).flatten(1))


@cache
def pictures(count: int = 500, seed: int = 0) -> np.ndarray:
    """uint8 (N, 3, 16, 16): a coarse pattern a class, noise over it; image i is of class i % 10."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (CLASSES, 3, 4, 4)).repeat(4, 2).repeat(4, 3)
    noise = np.random.default_rng(seed + 1).normal(0, 60, (count, 3, SIZE, SIZE))
    return np.clip(coarse[np.arange(count) % CLASSES] + noise, 0, 255).astype(np.uint8)


@cache
def network() -> Net:
    """Random convolutions, and a linear layer fitted to the classes in one step."""
    torch.manual_seed(0)
    net = Net().eval()
    images = pictures(1000, seed=5)
    with torch.no_grad():
        x = net.c(torch.from_numpy(images / 255).float()).flatten(1)
        x1 = torch.cat([x, torch.ones(len(x), 1)], 1)
        wanted = nn.functional.one_hot(torch.arange(len(x)) % CLASSES, CLASSES).float()
        fitted = torch.linalg.solve(x1.T @ x1 + 0.1 * torch.eye(x1.shape[1]), x1.T @ (8 * wanted - 4))
        net.f.weight.copy_(fitted[:-1].T)
        net.f.bias.copy_(fitted[-1])
    return net


Shape = list[Any]
Step = tuple[str, list[Any], dict[str, Any]]  # an operator, its constants, its attributes


def graph(
    before: list[Step] = [],  # noqa: B006
    after: list[Step] = [],  # noqa: B006
    *,
    shape: Shape | None = None,
    kind: int = T.FLOAT,
    out: tuple[int, Shape | None] = (T.FLOAT, ["n", CLASSES]),
    dtype: Any = np.float32,
    opset: int = 17,
) -> onnx.ModelProto:
    """The network as ONNX, with steps before and after it."""
    weights = {k: v.numpy().astype(dtype) for k, v in network().state_dict().items()}
    pads = {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    steps: list[Step] = [
        *before, ("Conv", [weights["c.0.weight"], weights["c.0.bias"]], pads), ("Relu", [], {}), ("MaxPool", [], pool),
        ("Conv", [weights["c.3.weight"], weights["c.3.bias"]], pads), ("Relu", [], {}), ("MaxPool", [], pool),
        ("Flatten", [], {"axis": 1}), ("Gemm", [weights["f.weight"], weights["f.bias"]], {"transB": 1}), *after,
    ]  # fmt: skip
    nodes, constants, current = [], [], "x"
    for i, (op, values, attributes) in enumerate(steps):
        names = []
        for value in values:
            names.append(f"w{len(constants)}" if not isinstance(value, str) else value)
            if not isinstance(value, str):
                constants.append(numpy_helper.from_array(np.asarray(value), names[-1]))
        new = "y" if i == len(steps) - 1 else f"v{i}"
        domain = {"domain": "ai.onnx.ml"} if op == "ZipMap" else {}
        nodes.append(helper.make_node(op, [current, *names], [new], **attributes, **domain))
        current = new
    value = helper.make_tensor_value_info("x", kind, ["n", 3, SIZE, SIZE] if shape is None else shape)
    made = helper.make_graph(nodes, "g", [value], [helper.make_tensor_value_info("y", *out)], constants)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=8)


@dataclass(frozen=True)
class Form:
    """`labels` turns what ONNX Runtime gives for the first output into labels; `notes` are words that are to be said."""

    model: onnx.ModelProto
    feed: Callable[[np.ndarray], np.ndarray] = lambda u: (u / 255).astype(np.float32)
    labels: Callable[[np.ndarray], np.ndarray] = lambda y: y.reshape(len(y), -1).argmax(1)
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    output: str = "y"
    batch: int | None = None


def _last(u: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(u.transpose(0, 2, 3, 1))


def _unit(u: np.ndarray) -> np.ndarray:
    return (u / 255).astype(np.float32)


def _grey(u: np.ndarray) -> np.ndarray:
    return u[:, 0]


def _more_outputs(model: onnx.ModelProto, *values: Any, first: bool = True) -> onnx.ModelProto:
    """Further outputs: (name, value it is, operator, shape)."""
    found = list(model.graph.output)
    for name, source, op, shape in values:
        model.graph.node.append(helper.make_node(op, [source], [name]))
        found.insert(0 if first else len(found), helper.make_tensor_value_info(name, T.FLOAT, shape))
    del model.graph.output[:]
    model.graph.output.extend(found)
    return model


CAST = ("Cast", [], {"to": T.FLOAT})
BYTES = [CAST, ("Div", [np.float32(255)], {})]
FIRST = ("Transpose", [], {"perm": [0, 3, 1, 2]})
NHWC: Shape = ["n", SIZE, SIZE, 3]
_ROUNDED = ("rounded and clipped to bytes",)
_ONE = (
    np.eye(CLASSES, dtype=np.float32)[:, 3:4] - np.eye(CLASSES, dtype=np.float32)[:, 5:6]
)  # the logit of class 3 less that of 5
_ONE_NOTE = ("one number per image",)


def onnx_forms() -> dict[str, Form]:
    """ONNX forms by name."""
    plain, row = {"size": SIZE}, (T.FLOAT, ["n", 1])
    argmax = lambda keep: ("ArgMax", [], {"axis": 1, "keepdims": keep})  # noqa: E731
    flat = ("Reshape", [np.array([-1, 3, SIZE, SIZE])], {})
    thrice = [("Unsqueeze", [np.array([1])], {}), ("Expand", [np.array([1, 3, 1, 1])], {})]
    whole = lambda y: y.reshape(-1)  # noqa: E731
    above = lambda t: lambda y: (y.reshape(-1) > t).astype(int)  # noqa: E731
    return {
        "plain": Form(graph()),
        **{f"opset{v}": Form(graph(opset=v)) for v in (7, 11, 21)},
        "nhwc": Form(graph([FIRST], shape=NHWC), lambda u: _last(_unit(u)), notes=("channels last",)),
        "fixed1": Form(graph(shape=[1, 3, SIZE, SIZE], out=(T.FLOAT, [1, CLASSES])), batch=1),
        "fixed8": Form(graph(shape=[8, 3, SIZE, SIZE], out=(T.FLOAT, [8, CLASSES])), batch=8),
        "one in name only": Form(
            graph(after=[("Reshape", [np.array([1, CLASSES])], {})]), batch=1, notes=("image by image",)
        ),
        "row of one image": Form(
            graph(after=[("Reshape", [np.array([CLASSES])], {})], shape=[1, 3, SIZE, SIZE], out=(T.FLOAT, [CLASSES])),
            labels=lambda y: y.argmax(keepdims=True), batch=1,
        ),
        "softmax": Form(graph(after=[("Softmax", [], {"axis": 1})])),
        "softmax and logits": Form(
            _more_outputs(graph(), ("a", "y", "Softmax", ["n", CLASSES])), notes=("a (N, 10) was used",), output="a"
        ),
        "features and scores": Form(
            _more_outputs(graph(), ("a", "v6", "Identity", ["n", 128])), notes=("y (N, 10) was used",)
        ),
        "asked for": Form(
            _more_outputs(graph(), ("a", "v6", "Identity", ["n", 128])), settings={"output": "a"}, output="a"
        ),
        "named scores": Form(
            _more_outputs(graph(), ("embedding", "y", "Sin", ["n", CLASSES]), ("logits", "y", "Identity", ["n", CLASSES])),
            notes=("logits (N, 10) was used",), output="logits",
        ),
        "no shapes said": Form(graph(out=(T.FLOAT, None))),
        "uint8": Form(graph(BYTES, kind=T.UINT8), lambda u: u, notes=_ROUNDED),
        "uint8 opset 7": Form(graph(BYTES, kind=T.UINT8, opset=7), lambda u: u, notes=_ROUNDED),
        "uint8 nhwc": Form(graph([*BYTES, FIRST], kind=T.UINT8, shape=NHWC), _last, notes=_ROUNDED),
        "int8": Form(
            graph([CAST, ("Add", [np.float32(128)], {}), ("Div", [np.float32(255)], {})], kind=T.INT8),
            lambda u: (u.astype(int) - 128).astype(np.int8), notes=_ROUNDED,
        ),
        "int32 nhwc": Form(graph([*BYTES, FIRST], kind=T.INT32, shape=NHWC), lambda u: _last(u).astype(np.int32), notes=_ROUNDED),
        "int64": Form(graph(BYTES, kind=T.INT64), lambda u: u.astype(np.int64), notes=_ROUNDED),
        "grey without channels": Form(
            graph(thrice, shape=["n", SIZE, SIZE], opset=13), lambda u: _unit(_grey(u)), notes=("without a channel axis",)
        ),
        "uint8 grey without channels": Form(
            graph([*BYTES, *thrice], kind=T.UINT8, shape=["n", SIZE, SIZE], opset=13), _grey, notes=_ROUNDED
        ),
        "flat": Form(graph([flat], shape=["n", 3 * SIZE * SIZE]), lambda u: _unit(u).reshape(len(u), -1), notes=("rows of pixels",)),
        "open size": Form(graph(shape=["n", 3, "h", "w"]), settings=plain),
        "open in all": Form(graph([FIRST], shape=["n", "h", "w", "c"]), lambda u: _last(_unit(u)), settings=plain),
        "pixels to 255": Form(graph([("Div", [np.float32(255)], {})]), lambda u: u.astype(np.float32), settings={**plain, "scale": 255}),
        "normalised": Form(
            graph([("Mul", [np.float32(0.25)], {}), ("Add", [np.float32(0.45)], {})]),
            lambda u: ((_unit(u) - 0.45) / 0.25).astype(np.float32), settings={**plain, "mean": 0.45, "std": 0.25},
        ),
        "caffe": Form(  # blue first, a mean of bytes taken off
            graph([("Add", [np.float32([[[104]], [[117]], [[123]]])], {}), ("Gather", [np.array([2, 1, 0])], {"axis": 1}), ("Div", [np.float32(255)], {})]),
            lambda u: (u[:, ::-1] - np.float32([[[104]], [[117]], [[123]]])).astype(np.float32),
            settings={**plain, "scale": 255, "mean": (104, 117, 123), "channels": "bgr"},
        ),
        "argmax": Form(graph(after=[argmax(0)], out=(T.INT64, ["n"])), labels=whole, notes=("highest of 10",)),
        "argmax column": Form(graph(after=[argmax(1)], out=(T.INT64, ["n", 1])), labels=whole),
        "argmax int32": Form(graph(after=[argmax(0), ("Cast", [], {"to": T.INT32})], out=(T.INT32, ["n"])), labels=whole),
        "argmax float": Form(graph(after=[argmax(0), CAST], out=(T.FLOAT, ["n"])), labels=whole),
        "sigmoid": Form(graph(after=[("MatMul", [_ONE], {}), ("Sigmoid", [], {})], out=row), labels=above(0.5), notes=(*_ONE_NOTE, "[1 - p, p]")),
        "sigmoid row": Form(
            graph(after=[("MatMul", [_ONE], {}), ("Sigmoid", [], {}), ("Reshape", [np.array([-1])], {})], out=(T.FLOAT, ["n"])),
            labels=above(0.5), notes=_ONE_NOTE,
        ),
        "one logit": Form(graph(after=[("MatMul", [_ONE], {})], out=row), labels=above(0), notes=(*_ONE_NOTE, "[0, z]")),
        "scores 1x1": Form(graph(after=[("Reshape", [np.array([-1, CLASSES, 1, 1])], {})], out=(T.FLOAT, ["n", CLASSES, 1, 1]))),
        "1x1 scores": Form(graph(after=[("Reshape", [np.array([-1, 1, 1, CLASSES])], {})], out=(T.FLOAT, ["n", 1, 1, CLASSES]))),
        "fp16": Form(
            graph(dtype=np.float16, kind=T.FLOAT16, out=(T.FLOAT16, ["n", CLASSES])), lambda u: _unit(u).astype(np.float16)
        ),
        "double": Form(
            graph([CAST], [("Cast", [], {"to": T.DOUBLE})], kind=T.DOUBLE, out=(T.DOUBLE, ["n", CLASSES])), lambda u: _unit(u).astype(np.float64)
        ),
        "byte scores": Form(
            graph(after=[("QuantizeLinear", [np.float32(0.02), np.uint8(128)], {})], out=(T.UINT8, ["n", CLASSES]), opset=13)
        ),
        "zipmap": _zipmap(["0", "1", "b"]),
    }  # fmt: skip


def _zipmap(names: list[str]) -> Form:
    names = [*names, *(f"class {i}" for i in range(CLASSES - len(names)))]
    model = graph(after=[("ZipMap", [], {"classlabels_strings": names})])
    kind = helper.make_map_type_proto(T.STRING, helper.make_tensor_type_proto(T.FLOAT, []))
    model.graph.output[0].CopyFrom(helper.make_value_info("y", helper.make_sequence_type_proto(kind)))
    model.graph.node.insert(0, helper.make_node("Constant", [], ["label"], value_strings=["cat"]))
    model.graph.output.insert(0, helper.make_tensor_value_info("label", T.STRING, ["n"]))
    return Form(model, labels=lambda y: np.array([max(range(CLASSES), key=lambda k: row[names[k]]) for row in y]))


FORMS_OF_OPENVINO = (
    "plain", "nhwc", "fixed1", "fixed8", "one in name only", "row of one image", "softmax and logits", "features and scores", "asked for",
    "uint8", "uint8 nhwc", "int8", "int32 nhwc", "grey without channels", "flat", "open size", "pixels to 255", "caffe", "argmax",
    "argmax column", "sigmoid", "one logit", "scores 1x1", "1x1 scores", "fp16",
)  # fmt: skip
"""Those that are worth trying as OpenVINO writes them."""
