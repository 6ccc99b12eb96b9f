"""Open an ONNX file as a Classifier. The layout, the preprocessing and the choice of the output become part of the graph."""

from __future__ import annotations

import ast
import json
import os
import shutil
import tempfile
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.classifiers.adapters.onnx import OnnxClassifier
from doldrum.classifiers.base import Outputs
from doldrum.errors import ClassifierError, InputError, check_memory_left
from doldrum.intake import visible
from doldrum.suspects.base import Preprocessing, Suspect, class_names_of
from doldrum.suspects.image_input import ROUNDED, ImageInput
from doldrum.suspects.onnx_check import checked_onnx
from doldrum.suspects.onnx_graph import argmax_input, onnx_input, onnx_outputs, run_once
from doldrum.suspects.onnx_rewrite import with_output, with_preprocessing, without_zipmap
from doldrum.suspects.score_output import Chosen, Output, choose_output

__all__ = ["open_onnx"]

_NAME_KEYS = ("names", "class_names", "classes", "labels", "character", "id2label")
_SIZE_KEYS = ("imgsz", "input_size", "image_size")
_ORDER_KEYS = ("channels", "channel_order")
_MOST_TEXT = 1 << 20
ONE_BY_ONE = "the model takes one image at a time; batches were given to it image by image"


def open_onnx(
    path: str | os.PathLike[str],
    *,
    preprocessing: Preprocessing | None,
    outputs: Outputs | None,
    output: str | None,
    num_classes: int | None,
) -> Suspect:
    """Open an ONNX file; see `open_model`. The whole file is checked before ONNX Runtime reads any of it."""
    shown, notes = visible(path), []
    model, outside = checked_onnx(path)
    pairs = [(p.key, p.value) for p in model.metadata_props if len(p.value) <= _MOST_TEXT]
    metadata: dict[str, str] = {k: v for k, v in pairs if isinstance(k, str) and isinstance(v, str)}  # else no UTF-8
    value, found = onnx_input(model, shown)
    wanted = found.preprocessing(preprocessing, _said(metadata), shown=shown, notes=notes)
    notes += found.told()
    classes = without_zipmap(model)
    plain = found.layout == "nchw" and value.type.tensor_type.elem_type == 1 and not wanted.normalises
    plain = plain and not outside and len(model.graph.output) == 1 and not classes
    with_preprocessing(model, value, found, wanted, batch=found.batch)
    chosen, count = _chosen(model, wanted, found, output, outputs, num_classes, shown)
    notes += chosen.notes
    plain = plain and (chosen.form, len(chosen.output.dims)) in (("scores", 2), ("labels", 1))
    with_output(model, chosen, batch=found.batch, classes=count)
    known: dict[str, Any] = {
        "input_shape": wanted.input_shape,
        "num_classes": num_classes or count,
        "outputs": chosen.outputs,
        "notes": (ROUNDED,) if found.whole else (),
    }
    classifier = _classifier(Path(path), known, shown) if plain else _rewritten(model, known, shown)
    if found.batch is None and not _takes_two(classifier):  # an open batch in name only
        for side in (model.graph.input[0], model.graph.output[0]):
            side.type.tensor_type.shape.dim[0].dim_value = 1
        classifier = _rewritten(model, known, shown)
        notes.append(ONE_BY_ONE)
    given = [classes, *(_value(metadata.get(key)) for key in _NAME_KEYS)]
    names = next((n for one in given if (n := class_names_of(one, classifier.num_classes))), None)
    if names == tuple(map(str, range(classifier.num_classes))):
        names = None
    return Suspect(classifier=classifier, format="onnx", preprocessing=wanted, class_names=names, notes=tuple(notes))


def _chosen(
    model: Any,
    wanted: Preprocessing,
    found: ImageInput,
    name: str | None,
    outputs: Outputs | None,
    num_classes: int | None,
    shown: str,
) -> tuple[Chosen, int | None]:
    """Choose the output with the scores or labels. Return the chosen output and the number of classes (None if this
    number is not known).

    If the file does not declare the shapes of the outputs, the model is run on grey images. In this run, the number of
    grey images is the model's fixed batch size, or 2 if the batch size is open.
    """
    declared = onnx_outputs(model)
    shape = (found.batch or 2, *wanted.input_shape)
    if any(not o.dims or None in o.dims[1:] for o in declared if o.numbers != "other"):
        names = [o.name for o in declared if o.numbers != "other"]
        ran = dict(zip(names, run_once(model, names, shape, shown), strict=True))
        declared = [_measured(o, ran, shape[0]) for o in declared]
    chosen = choose_output(
        declared, name=name, outputs=outputs, num_classes=num_classes, batch=found.batch, shown=shown
    )
    if chosen.form != "labels":
        return chosen, chosen.num_classes
    before = argmax_input(model, chosen.output.name) if num_classes is None else None
    if before is None:
        return chosen, num_classes
    source, axis = before
    (scores,) = run_once(model, [source], shape, shown)
    count = scores.shape[axis]
    return replace(
        chosen, notes=(*chosen.notes, f"the model picks each label as the class with the highest of {count} scores")
    ), count


def _measured(output: Output, ran: dict[str, Any], rows: int) -> Output:
    if output.name not in ran:
        return output
    dims = tuple(ran[output.name].shape)
    return replace(output, dims=(None, *dims[1:]) if dims and dims[0] == rows and rows > 1 else dims)


def _rewritten(model: Any, known: dict[str, Any], shown: str) -> OnnxClassifier:
    """Write the rewritten model to a temporary file, and open it as a classifier. The file is deleted with the classifier."""
    folder = tempfile.mkdtemp(prefix="doldrum-onnx-")
    try:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString(deterministic=True))
        classifier = _classifier(path, known, shown)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(classifier, shutil.rmtree, folder, ignore_errors=True)
    return classifier


def _classifier(path: Path, known: dict[str, Any], shown: str) -> OnnxClassifier:
    try:
        return OnnxClassifier(path, **known)
    except (InputError, ClassifierError) as error:  # with the name that the user knows, as one line
        text = str(error).replace(str(path), shown)
        raise type(error)(visible(text, most=600)) from error


def _takes_two(classifier: OnnxClassifier) -> bool:
    try:
        classifier(np.full((2, *classifier.input_shape), 0.5, np.float32))
    except Exception as error:  # each runtime has exceptions of its own; the caller's next try tells them
        check_memory_left(error)
        return False
    return True


def _said(metadata: dict[str, str]) -> dict[str, Any]:
    """The size, mean, std and channel order in a file's metadata, with None for missing values."""
    first = lambda keys: next((metadata[key] for key in keys if key in metadata), None)  # noqa: E731
    return {
        "size": _value(first(_SIZE_KEYS)),
        "mean": _value(metadata.get("mean")),
        "std": _value(metadata.get("std")),
        "order": first(_ORDER_KEYS),
    }


def _value(text: str | None) -> Any:
    """Parse a value in metadata that is written as JSON or as a Python literal. If the text is neither of these,
    several lines become a list of lines, and a single line becomes None."""
    if text is None:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return text.splitlines() if "\n" in text else None
