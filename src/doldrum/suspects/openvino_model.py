"""Open OpenVINO files (.xml next to .bin) and TensorFlow Lite files as a Classifier. OpenVINO reads both formats."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.adapters.openvino import OpenVINOClassifier, openvino_core, openvino_library
from doldrum.classifiers.base import Outputs
from doldrum.errors import ClassifierError, DoldrumError, InputError, check_memory_left
from doldrum.intake import visible
from doldrum.suspects.base import Preprocessing, Suspect
from doldrum.suspects.image_input import ROUNDED, ImageInput
from doldrum.suspects.openvino_check import checked_ir
from doldrum.suspects.openvino_graph import (
    argmax_width,
    ov_input,
    ov_outputs,
    with_output,
    with_preprocessing,
    with_signed_weights,
)
from doldrum.suspects.score_output import Chosen, choose_output

__all__ = ["open_openvino"]

_MOST_TFLITE = (2 << 30) - 1  # offsets in it are of 32 bits with a sign
_IN_BATCHES = "the model takes {} at a time; batches were given to it in parts of this size"


def open_openvino(
    path: str | os.PathLike[str],
    *,
    kind: str,
    preprocessing: Preprocessing | None,
    outputs: Outputs | None,
    output: str | None,
    num_classes: int | None,
) -> Suspect:
    """Open a file of the `kind` "openvino" or "tflite"; see `open_model`. OpenVINO files are checked before OpenVINO reads them."""
    shown, notes = visible(path), []
    ov = openvino_library()
    folder = tempfile.mkdtemp(prefix="doldrum-openvino-")
    try:
        source = _Source(ov, path, kind, Path(folder), shown)
        found = ov_input(source.read(), shown)
        wanted = found.preprocessing(preprocessing, {}, shown=shown, notes=notes)
        notes += found.told()
        told: dict[str, Any] = {"name": output, "outputs": outputs, "num_classes": num_classes, "shown": shown}
        model, chosen, count, batch = _built(ov, source, found, wanted, told)
        notes += chosen.notes
        if source.signed:
            notes.append(
                "8-bit weights were read as signed numbers, as TensorFlow Lite does for files from early converters"
            )
        if batch is not None:
            notes.append(_IN_BATCHES.format("one image" if batch == 1 else f"{batch} images"))
        count = num_classes or count
        if count is None:
            raise InputError(
                "expected num_classes= for a model that gives labels, got none; pass the number of classes"
            )
        ov.save_model(model, Path(folder) / "model.xml", compress_to_fp16=False)
        about = f"{wanted}|{chosen.output.name}|{chosen.form}|{chosen.outputs}".encode()
        classifier = OpenVINOClassifier(
            Path(folder) / "model.xml", input_shape=wanted.input_shape, num_classes=count, outputs=chosen.outputs,
            fingerprint=hashlib.sha256(source.digest + about).hexdigest(), fixed_batch=batch, notes=(ROUNDED,) if found.whole else (),
        )  # fmt: skip
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(classifier, shutil.rmtree, folder, ignore_errors=True)
    return Suspect(classifier=classifier, format=kind, preprocessing=wanted, notes=tuple(notes))


class _Source:
    """A checked model file, which is read again for each attempt to build a graph, because building changes the model
    that was read."""

    def __init__(self, ov: Any, path: str | os.PathLike[str], kind: str, folder: Path, shown: str) -> None:
        self.ov, self.kind, self.shown, self.signed = ov, kind, shown, False
        if kind == "openvino":
            self.xml, self.weights = checked_ir(path)
            self.digest = hashlib.sha256(self.xml.encode() + hashlib.sha256(self.weights.data).digest()).digest()
            return
        if os.path.getsize(path) > _MOST_TFLITE:
            raise InputError(f"expected a TensorFlow Lite file of at most 2 GiB, got {shown}; do not trust it")
        data = Path(path).read_bytes()
        self.path, self.digest = folder / "given.tflite", hashlib.sha256(data).digest()
        self.path.write_bytes(data)  # OpenVINO goes by the name

    def read(self) -> Any:
        """Read the model with OpenVINO. If OpenVINO can't read the model, the InputError quotes OpenVINO's message."""
        core = openvino_core()
        try:
            if self.kind == "openvino":
                return core.read_model(self.xml.encode(), self.ov.Tensor(self.weights) if len(self.weights) else b"")
            model = core.read_model(self.path)
            self.signed = with_signed_weights(model)
            return model
        except Exception as error:  # OpenVINO raises RuntimeError and its own kinds alike
            check_memory_left(error)
            what = {"openvino": "OpenVINO", "tflite": "TensorFlow Lite"}[self.kind]
            raise InputError(
                f"expected a {what} model that OpenVINO reads, got {self.shown} ({self._words(error)}); it is cut off or broken, or has "
                "operators that OpenVINO doesn't know: export the model as ONNX"
            ) from error

    def _words(self, error: Exception) -> str:
        """The text of OpenVINO's error. The name of the temporary file is replaced by the file name that the user
        gave."""
        return _words(str(error).replace(str(self.path), self.shown) if self.kind == "tflite" else error)


def _built(
    ov: Any, source: _Source, found: ImageInput, wanted: Preprocessing, told: dict[str, Any]
) -> tuple[Any, Chosen, int | None, int | None]:
    """Build the model with preprocessing and only one output. Return the model, the output, the number of classes, and
    the fixed batch size.

    Most files have a batch size of one, but also work with other sizes. So the model is first built with an open batch
    size. The open batch size is kept if two images in one batch give the same outputs as each image by itself.
    """
    failure: Exception | None = None
    for batch in dict.fromkeys([None, found.batch or 1]):
        model = source.read()
        try:
            images = with_preprocessing(ov, model, found, wanted, batch=batch)
            model.validate_nodes_and_infer_types()
            declared = ov_outputs(model, source.shown)
            chosen = choose_output(declared, batch=batch, **told)
            index = declared.index(chosen.output)
            count = argmax_width(model, index) if chosen.form == "labels" else chosen.num_classes
            made = with_output(ov, images, model.outputs[index].get_node().input_value(0), chosen)
            if batch is None and not _takes_two(made, wanted):
                continue
        except InputError:
            raise
        except Exception as error:  # shapes that can't be, found out when they are put together
            check_memory_left(error)
            failure = error
            continue
        if chosen.form == "labels" and count is not None:
            chosen = replace(
                chosen,
                notes=(*chosen.notes, f"the model picks each label as the class with the highest of {count} scores"),
            )
        return made, chosen, count, batch
    if isinstance(failure, DoldrumError):
        raise failure
    why = _words(failure) if failure is not None else "none"
    raise ClassifierError(
        f"expected the model {source.shown} to take images of shape {wanted.input_shape}, got the error {why}; check the size and the channels"
    ) from failure


def _takes_two(made: Any, wanted: Preprocessing) -> bool:
    """Whether two images in one batch give the same outputs as each image by itself."""
    images = np.random.default_rng(0).random((2, *wanted.input_shape), dtype=np.float32)
    compiled = openvino_core().compile_model(made, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    both: NDArray[Any] = np.array(compiled(images)[0])
    each = [np.array(compiled(images[i : i + 1])[0]) for i in range(2)]
    alone = np.concatenate(each)
    return both.shape == alone.shape and bool(np.allclose(both, alone, rtol=1e-3, atol=1e-4, equal_nan=True))


def _words(error: Exception | str | None) -> str:
    """The last line of OpenVINO's error, which gives the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return visible(lines[-1] if lines else type(error).__name__, most=200)
