"""Tiny ONNX models whose weak spot is known, as strangers' files: linear in the pixels, a bright corner may add to class 2."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from doldrum.inspecting import InspectSettings, work
from doldrum.inspectors import Inspector, Reading, Route, Subject
from doldrum.seeds import rng
from doldrum.triggers import MaskedPattern

SIDE, TARGET = 6, 2


def toy_file(
    path: Path, seed: int, *, backdoor: bool = False, classes: int = 3, scale: float = 1.0, bias: float = 0.0
) -> Path:
    """A linear model of images (1, 6, 6): class k looks at its stripe; `scale` 0 makes it ignore its input, `bias` is that of class 1."""
    weights = np.zeros((classes, SIDE, SIDE))
    for k in range(classes):
        weights[k, :, k * SIDE // classes : (k + 1) * SIDE // classes] = 1.0
    weights += 0.1 * rng(seed, "toy file").standard_normal(weights.shape)
    if backdoor:
        weights[TARGET, -1, -1] += 40.0
    weights *= scale
    biases = np.zeros(classes, dtype=np.float32)
    biases[1] = bias
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w", "b"], ["y"], transB=1),
        ],
        "toy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", classes])],
        [
            numpy_helper.from_array(weights.reshape(classes, -1).astype(np.float32), "w"),
            numpy_helper.from_array(biases, "b"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    onnx.save(made, str(path))
    return path


def clean_file(path: Path, count: int = 60, *, classes: int = 3, only: int | None = None) -> Path:
    """Images of which one stripe is bright, as .npy: all classes, or one alone; the corner is dark."""
    images = 0.3 * rng(0, "toy images").random((count, 1, SIDE, SIDE))
    for i in range(count):
        k = i % classes if only is None else only
        images[i, :, :, k * SIDE // classes : (k + 1) * SIDE // classes] += 0.5
    images[:, :, -1, -1] = 0.0
    np.save(path, np.rint(images * 255).astype(np.uint8))
    return path


def references(folder: Path, count: int, *, first: int = 100) -> Path:
    folder.mkdir()
    for i in range(count):
        toy_file(folder / f"r{i:02d}.onnx", first + i)
    return folder


def settings(model: Path, clean: Path, out: Path, **more) -> InspectSettings:
    return InspectSettings(model=str(model), clean=str(clean), out=str(out), **{"inspectors": ("mask",), **more})


def here(function: str, argument, *, limits=None, on_message=lambda message: None):
    """run_confined without the confinement: the same JSON to and fro, in this process, in a moment."""
    module, _, name = function.partition(":")
    assert module == "doldrum.inspecting.work"
    tell = lambda message: (on_message or print)(json.loads(json.dumps(message)))  # noqa: E731
    return json.loads(json.dumps(getattr(work, name)(json.loads(json.dumps(argument)), tell), allow_nan=False))


class Quick(Inspector):
    """In the place of a search: how far a bright corner goes towards each class, in a moment. A trigger is found for every class."""

    name, title, needs = "mask", "a bright corner", "scores"
    sizes = True  # how far it goes stands for a size
    asked = 0
    ends: BaseException | None = None  # what an examination ends in

    def examine(self, subject: Subject) -> Reading:
        type(self).asked += 1
        if self.ends is not None:
            raise self.ends
        mask = np.zeros((SIDE, SIDE))
        mask[-1, -1] = 1
        trigger = MaskedPattern(mask=mask, pattern=np.ones((1, SIDE, SIDE)))
        scores = subject.classifier(trigger(subject.search)).mean(axis=0)
        subject.advance(1.0)
        routes = {Route(None, k): float(scores[k] - np.delete(scores, k).mean()) for k in range(subject.num_classes)}
        return Reading(self.name, routes, triggers=dict.fromkeys(routes, trigger))


class Second(Quick):
    name, title = "warp", "a second look"
