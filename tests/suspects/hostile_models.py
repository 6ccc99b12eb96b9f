"""Broken and hostile model files, made by a script: `make_all(folder)` gives each with words of the message it must get.

`CANARY` is what those with code in them would make; `Specimen.settings` are open_model's.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from small_nets import small_net

ODD = "\x1b[31m\u202egnp<script>alert(1)</script>[bold]"


@dataclass(frozen=True)
class Specimen:
    path: str
    words: str
    settings: dict[str, Any] = field(default_factory=dict)


class Canary:
    """Unpickled, it makes a file."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.mkdir, (self.canary,)


def plain_onnx(
    *,
    classes: int = 4,
    weights: Any = None,
    shape: tuple = ("N", 1, 8, 8),
    nodes: Any = (),
    opset: int = 17,
    more: Any = (),
) -> onnx.ModelProto:
    """Flatten and a linear layer."""
    if weights is None:
        weights = np.linspace(-1, 1, 64 * classes, dtype=np.float32).reshape(64, classes)
    layer = [
        helper.make_node("Flatten", ["x"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
    ]
    graph = helper.make_graph(
        [*nodes, *layer],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", classes])],
        [numpy_helper.from_array(weights, "w")],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in more)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def safetensors(header: Any, body: bytes = b"", *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def _torch_zip(entries: dict[str, bytes], *, compress: bool = False) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _saved(value: Any, **settings: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, **settings)
    return stream.getvalue()


def _external(location: str) -> bytes:
    model = plain_onnx()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return model.SerializeToString()


def _branch(inner: list[Any]) -> list[Any]:
    """An If whose branches hold `inner`."""
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(inner, "branch", [], [value])
    condition = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.array(True), "c"))
    return [condition, helper.make_node("If", ["c"], ["unused"], then_branch=graph, else_branch=graph)]


def _functions(pairs: list[tuple[str, list[str]]], first: str) -> bytes:
    """Functions that call others."""
    model = plain_onnx(nodes=[helper.make_node(first, ["x"], ["ignored"], domain="own")], more=["own"])
    for name, calls in pairs:
        nodes = [helper.make_node(call, ["a"], [f"b{i}"], domain="own") for i, call in enumerate(calls)]
        nodes.append(helper.make_node("Identity", ["a"], ["b"]))
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
        model.functions.append(helper.make_function("own", name, ["a"], ["b"], nodes, opsets))
    return model.SerializeToString()


def _shape(dims: list[int]) -> bytes:
    model = plain_onnx()
    tensor = model.graph.initializer[0]
    del tensor.dims[:]
    tensor.dims.extend(dims)
    return model.SerializeToString()


def _nested(depth: int) -> bytes:
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    for _ in range(depth):
        nodes = [*_branch(nodes)[:1], helper.make_node("If", ["c"], ["y"], then_branch=_branch(nodes)[1].attribute[0].g, else_branch=_branch(nodes)[1].attribute[0].g)]  # fmt: skip
    return plain_onnx(nodes=nodes).SerializeToString()


def _state(**changes: Any) -> dict[str, torch.Tensor]:
    from doldrum.networks import build

    return {**build("mlp", input_shape=(1, 8, 8), num_classes=4).state_dict(), **changes}


def _nan_state() -> dict[str, torch.Tensor]:
    state = {name: tensor.clone() for name, tensor in _state().items()}
    list(state.values())[-1][0] = float("nan")
    return state


def _bomb() -> bytes:
    return _torch_zip({"archive/data.pkl": b"\x80\x02}.", "archive/data/0": bytes(200 << 20)}, compress=True)


def _twice() -> bytes:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("a/data.pkl", b"\x80\x02}.")
            archive.writestr("a/data.pkl", b"\x80\x02}.")
    return stream.getvalue()


def _no_answer(op: str) -> bytes:
    """Scores that are NaN for any image."""
    model = plain_onnx(weights=np.full((64, 4), -1, np.float32))
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(helper.make_node(op, ["before"], ["scores"]))
    model.graph.node.insert(0, helper.make_node("Identity", ["x"], ["kept"]))
    return model.SerializeToString()


def _huge_at_run() -> bytes:
    """Sane weights; a constant of 10^12 values when it runs."""
    shape = numpy_helper.from_array(np.array([10**6, 10**6], np.int64), "s")
    nodes = [
        helper.make_node("Constant", [], ["s"], value=shape),
        helper.make_node("ConstantOfShape", ["s"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0),
        helper.make_node("Add", ["scores0", "sum"], ["scores"]),
    ]
    model = plain_onnx()
    model.graph.node[-1].output[0] = "scores0"
    model.graph.node.extend(nodes)
    return model.SerializeToString()


SMALL: dict[str, Any] = {"arch": "mlp", "num_classes": 4}
F32 = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
_XML = b'<?xml version="1.0"?>'
_PICKLE = "which runs its author's code"


def _specimens(canary: str) -> list[tuple[str, bytes | Callable[[], bytes], str, dict[str, Any]]]:
    bomb = [(f"f{i}", [f"f{i + 1}"] * 2) for i in range(40)] + [("f40", [])]
    custom = helper.make_node("Evil" + ODD, ["x"], ["z"], domain="com.evil" + ODD)
    return [
        ("empty.onnx", b"", "an empty file", {}),
        ("noise.onnx", bytes(range(7, 256)) * 8, "of an unknown kind", {}),
        ("script.onnx", b"#!/bin/sh\ntouch " + canary.encode(), "a script", {}),
        ("program.safetensors", b"\x7fELF" + bytes(100), "a program", {}),
        ("pointer.onnx", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull", {}),
        ("keras.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file", {}),
        ("model.tflite", b"\x1c\0\0\0TFL3" + bytes(100), "TensorFlow Lite", {}),
        ("model.ort", b"\x20\0\0\0ORTM" + bytes(100), "ONNX Runtime file", {}),
        ("page.onnx", b"<html><body>404", "a web page", {}),
        ("joblib.pkl", b"\x1f\x8b\x08\0" + bytes(100), "a compressed file", {}),
        # pickles under every name
        ("pickle.onnx", pickle.dumps(Canary(canary)), _PICKLE, {}),
        ("pickle0.safetensors", pickle.dumps(Canary(canary), protocol=0), _PICKLE, {}),
        (
            "pickle.pt",
            lambda: _torch_zip({"a/data.pkl": pickle.dumps(Canary(canary), 2)}),
            "that calls posix.mkdir",
            SMALL,
        ),
        (
            "pickle4.pt",
            lambda: _torch_zip({"a/data.pkl": pickle.dumps(Canary(canary), 4)}),
            "that calls posix.mkdir",
            SMALL,
        ),
        ("hidden.pt", lambda: _torch_zip({"a/data.pkl": b"\x80\x02}(X\x01\0\0\0aimd\nmkdir\n."}), _PICKLE, SMALL),
        ("module.pt", lambda: _saved(small_net()), "that calls torch.nn.modules", SMALL),
        (
            "old.pt",
            lambda: _saved({"a": Canary(canary)}, _use_new_zipfile_serialization=False),
            "that calls posix.mkdir",
            SMALL,
        ),
        ("old cut.pt", lambda: _saved(_state(), _use_new_zipfile_serialization=False)[:-700], "can't be read", SMALL),
        ("persistent.pt", lambda: _torch_zip({"a/data.pkl": b"\x80\x02Pos.system\n."}), _PICKLE, SMALL),
        (
            "script.pt",
            lambda: _torch_zip({"a/data.pkl": b"\x80\x02}.", "a/constants.pkl": b"\x80\x02).", "a/code/x.py": b"x"}),
            "TorchScript",
            {},
        ),
        (
            "export.pt2",
            lambda: _torch_zip({"a/archive_format": b"pt2", "a/models/model.json": b"{}"}),
            "torch.export",
            {},
        ),
        ("estimator.skops", lambda: _untrusted_skops(canary), "only scikit-learn types", {}),
        ("schema.skops", lambda: _torch_zip({"schema.json": b"[" * 5000}), "can't be read", {}),
        # zips
        ("cut.pt", lambda: _saved(_state())[:-700], "cut off or broken", SMALL),
        ("bomb.pt", _bomb, "zip bomb", SMALL),
        ("twice.pt", _twice, "one name twice", SMALL),
        ("leaves.pt", lambda: _torch_zip({"../../data.pkl": b"\x80\x02}."}), "leads outside its folder", SMALL),
        (
            "deflated.pt",
            lambda: _torch_zip({"a/data.pkl": b"\x80\x02}."}, compress=True),
            "a zip of other contents",
            SMALL,
        ),
        ("other.pt", lambda: _torch_zip({"a/b.txt": b"x"}), "a zip with other content", SMALL),
        ("numbers.pt", lambda: _saved(OrderedDict(a=1.0)), "a state dict (tensors by name)", SMALL),
        ("nan.pt", lambda: _saved(_nan_state()), "NaN or infinity in", SMALL),
        ("names.pt", lambda: _saved({ODD: torch.zeros(3)}), r"\x1b[31m\u202egnp", SMALL),
        ("classes.pt", lambda: _saved(_state()), "as in mlp, got", {**SMALL, "num_classes": 5}),
        ("bare.pt", lambda: _saved(_state()), "expected the architecture", {}),
        ("code.pt", lambda: _saved(_state()), "which is code", {"arch": "os:getcwd"}),
        # safetensors
        ("lies.safetensors", safetensors({"a": F32}, bytes(16), length=1 << 62), "header claims", SMALL),
        ("huge.safetensors", safetensors(b"{" + b" " * (17 << 20) + b"}"), "header has 17 MiB", SMALL),
        (
            "short.safetensors",
            safetensors({"a": F32}, bytes(8)),
            "tensors take 16 bytes, while the file has 8 bytes",
            SMALL,
        ),
        (
            "overlap.safetensors",
            safetensors({"a": F32, "b": F32}, bytes(16)),
            "an impossible type, shape or position",
            SMALL,
        ),
        (
            "vast.safetensors",
            safetensors({"a": {**F32, "shape": [10**6, 10**6]}}, bytes(16)),
            "an impossible type, shape or position",
            SMALL,
        ),
        ("twice.safetensors", safetensors(b'{"a": 1, "a": 2}'), "names a tensor twice", SMALL),
        ("deep.safetensors", safetensors(b'{"a":' + b"[" * 100_000 + b"}"), "no JSON", SMALL),
        ("list.safetensors", safetensors({"a": []}), "an impossible type, shape or position", SMALL),
        (
            "type.safetensors",
            safetensors({"a": {**F32, "dtype": ODD}}, bytes(16)),
            "an impossible type, shape or position",
            SMALL,
        ),
        ("ours.safetensors", lambda: safetensors({"__metadata__": {"doldrum": "[" * 5000}}), "no JSON", {}),
        # ONNX
        ("cut.onnx", plain_onnx().SerializeToString()[:-300], "cut off or broken", {}),
        (
            "custom.onnx",
            plain_onnx(nodes=[custom], more=["com.evil" + ODD]).SerializeToString(),
            r"the custom domain 'com.evil\x1b",
            {},
        ),
        ("inner.onnx", plain_onnx(nodes=_branch([custom])).SerializeToString(), "the custom domain", {}),
        ("passwd.onnx", _external("/etc/passwd"), "kept in another file, '/etc/passwd'", {}),
        ("parent.onnx", _external("../../../etc/shadow"), "kept in another file", {}),
        ("vast.onnx", _shape([10**6, 10**6]), "no weight has such a shape", {}),
        ("wrong.onnx", _shape([64, 5]), "with 1024 bytes", {}),
        ("negative.onnx", _shape([-1, 4]), "no weight has such a shape", {}),
        ("cycle.onnx", _functions([("f", ["g"]), ("g", ["f"])], "f"), "which calls itself", {}),
        ("doubling.onnx", _functions(bomb, "f0"), "nodes", {}),
        (
            "nan.onnx",
            plain_onnx(weights=np.full((64, 4), np.nan, np.float32)).SerializeToString(),
            "NaN in the weights",
            {},
        ),
        ("answers.onnx", _no_answer("Log"), "expected finite scores", {}),
        ("opset.onnx", plain_onnx(opset=999).SerializeToString(), "opset 999", {}),
        (
            "input.onnx",
            plain_onnx(shape=("N", 1, 1 << 40, 8)).SerializeToString(),
            "no images and no scores have this shape",
            {},
        ),
        ("rank.onnx", plain_onnx(shape=("N", 1, 1, 8, 8)).SerializeToString(), "an input of images (N, C, H, W)", {}),
        ("square.onnx", plain_onnx(shape=("N", 63)).SerializeToString(), "which leaves them open", {}),
        ("channels.onnx", plain_onnx(shape=("N", 7, 8, 8)).SerializeToString(), "which leaves them open", {}),
        ("classes.onnx", plain_onnx().SerializeToString(), "leave out num_classes=", {"num_classes": 5}),
        ("nested.onnx", _nested(12), "", {}),
        # OpenVINO, TensorFlow Lite
        (
            "type.xml",
            _XML + b'<!DOCTYPE net [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><net>&c;</net>',
            "a document type or an entity",
            {},
        ),
        ("outside.xml", _XML + b'<!DOCTYPE net SYSTEM "file:///etc/passwd"><net/>', "a document type or an entity", {}),
        ("picture.xml", _XML + b"<svg/>", "got <svg>", {}),
        ("deep.xml", _XML + b"<net>" * 100_000, "nested or repeated without end", {}),
        ("cut.xml", _XML + b"<net><layers>", "cut off or broken", {}),
        (
            "custom.xml",
            _XML + b'<net><layer type="Evil&#10;" version="extension"/></net>',
            "'Evil\\n' of 'extension'",
            {},
        ),
        (
            "alone.xml",
            _XML + b'<net><layer type="Const" version="opset1"/></net>',
            "'alone.bin' beside it, got none",
            {},
        ),
        ("empty.xml", _XML + b"<net/>", "", {}),
        ("zeros.tflite", b"\x1c\0\0\0TFL3" + bytes(4096), "TensorFlow Lite model that OpenVINO reads", {}),
        ("ones.tflite", b"\x1c\0\0\0TFL3" + b"\xff" * 4096, "TensorFlow Lite model that OpenVINO reads", {}),
        ("runs.onnx", _huge_at_run(), "", {}),
    ]


def _untrusted_skops(canary: str) -> bytes:
    import skops.io as sio
    from sklearn.preprocessing import FunctionTransformer

    return sio.dumps(FunctionTransformer(os.mkdir, kw_args={"path": canary}))


def _folders(root: Path) -> list[Specimen]:
    """Folders of Hugging Face's that must not be loaded."""
    plain = {"architectures": ["ViTForImageClassification"], "model_type": "vit", "hidden_size": 16}
    size = {"preprocessing": None}
    table = [
        ("adapter", {"adapter_config.json": "{}", "config.json": "{}"}, "an adapter"),
        ("remote", {"config.json": json.dumps({**plain, "auto_map": {"AutoModel": "evil--x.Model"}})}, "its own code"),
        ("kernels", {"config.json": json.dumps({**plain, "attn_implementation": "evil/kernels"})}, "external kernels"),
        ("vast", {"config.json": json.dumps({**plain, "hidden_size": 10**9})}, "a plausible value of 'hidden_size'"),
        ("layers", {"config.json": json.dumps({**plain, "num_hidden_layers": 10**5})}, "a plausible value of 'num_hidden_layers'"),
        ("pickled", {"config.json": json.dumps(plain), "pytorch_model.bin": "x"}, "pytorch_model.bin, which is a pickle"),
        ("text", {"config.json": "[" * 5000}, "expected a JSON file"),
        ("saved", {"saved_model.pb": "x"}, "SavedModel"),
        ("nothing", {"readme.txt": "x"}, "a Hugging Face folder"),
        (
            "language",
            {"config.json": json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}), "model.safetensors": safetensors({"a": F32}, bytes(16)).decode("latin1")},
            "an image classifier that the transformers library itself has",
        ),
    ]  # fmt: skip
    found = []
    for name, files, words in table:
        folder = root / f"hf-{name}"
        folder.mkdir()
        for file, text in files.items():
            (folder / file).write_bytes(text.encode("latin1"))
        found.append(Specimen(str(folder), words, dict(size)))
    return found


def make_all(root: Path, canary: Path) -> list[Specimen]:
    """Write every specimen below `root`."""
    found = []
    for name, content, words, settings in _specimens(str(canary)):
        path = root / name
        path.write_bytes(content() if callable(content) else content)
        settings = {**settings, **({"size": [8, 8]} if "arch" in settings else {})}
        found.append(Specimen(str(path), words, settings))
    os.mkfifo(root / "pipe.onnx")
    found.append(Specimen(str(root / "pipe.onnx"), "a device, pipe or socket"))
    found.append(Specimen("/dev/zero", "a device, pipe or socket"))
    found.append(Specimen(str(root / "absent\x1b[31m.onnx"), r"absent\x1b[31m.onnx, which can't be read"))
    return [*found, *_folders(root)]
