"""A Classifier made from an ONNX file, run by ONNX Runtime."""

# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier, Outputs, checked_classes, checked_shape, fixed_batches
from doldrum.errors import ClassifierError, InputError, check_memory_left, missing_extra

__all__ = ["OnnxClassifier", "load_onnxruntime"]

_STANDARD_DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}


def load_onnxruntime() -> Any:
    """Import ONNX Runtime, without telemetry and with only fatal errors printed. Raises MissingExtraError if ONNX
    Runtime is not installed."""
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise missing_extra("onnxruntime", "onnx", error) from error
    runtime: Any = ort
    runtime.set_default_logger_severity(4)
    runtime.disable_telemetry_events()
    return runtime


class OnnxClassifier(Classifier):
    """Runs an ONNX file with one image input `(N, C, H, W)` and an output of scores `(N, K)` or labels `(N,)`.

    If the file has several outputs, the first one is used, with a warning. Shapes are read from the file. `input_shape`
    and `num_classes` are needed only if the file does not fix these sizes. If the file fixes sizes, `input_shape` and
    `num_classes` must agree with these sizes. A file with custom operator domains, or with weights in other files, is
    refused, since it would load code or read paths that its author chose.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        input_shape: tuple[int, int, int] | None = None,
        num_classes: int | None = None,
        outputs: Outputs = "logits",
        notes: Sequence[str] = (),
    ) -> None:
        ort = load_onnxruntime()
        try:
            import onnx
        except ImportError as error:
            raise missing_extra("onnx", "onnx", error) from error
        input_shape = None if input_shape is None else checked_shape(input_shape)
        num_classes = None if num_classes is None else checked_classes(num_classes)
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"expected an .onnx file, got {self.path}, which is not there; check the path")
        try:
            proto: Any = onnx.load(str(self.path), load_external_data=False)
        except Exception as error:  # protobuf raises several unrelated types on a broken file
            check_memory_left(error)
            raise InputError(f"expected an ONNX model, got {self.path}, which cannot be read ({error})") from error
        _refuse_unsafe(proto, self.path)
        try:
            options: Any = ort.SessionOptions()
            options.log_severity_level = 4
            self.session: Any = ort.InferenceSession(
                proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exceptions share no public base
            check_memory_left(error)
            raise InputError(
                f"expected a valid ONNX model, got the file {self.path} with the error: {error}"
            ) from error
        inputs, outs = self.session.get_inputs(), self.session.get_outputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
            found = ", ".join(f"{i.name}: {i.type} {i.shape}" for i in inputs)
            raise ClassifierError(
                f"expected one float input (N, C, H, W), got {found}; export the model with one such input"
            )
        self.input_name, self.output_name = inputs[0].name, outs[0].name
        if len(outs) > 1:
            warnings.warn(
                f"expected one output in {self.path}, got {', '.join(o.name for o in outs)}: doldrum uses the output {outs[0].name} as the {outputs}; export the model with only this output to be sure",
                stacklevel=3,
            )
        batch = inputs[0].shape[0]
        self.fixed_batch: int | None = batch if isinstance(batch, int) else None
        shape = _merge("input_shape", inputs[0].shape[1:], input_shape)
        classes = num_classes
        if outputs != "labels":
            (classes,) = _merge("num_classes", outs[0].shape[1:2], None if num_classes is None else (num_classes,))
        elif classes is None:
            raise InputError(
                "expected num_classes= for a model that returns labels, got none; pass the number of classes"
            )
        assert classes is not None
        super().__init__(input_shape=(shape[0], shape[1], shape[2]), num_classes=classes, outputs=outputs)
        self.notes = tuple(notes)

    def forward(self, images: NDArray[np.float32]) -> Any:
        parts: list[NDArray[Any]] = []
        for batch, count in fixed_batches(images, self.fixed_batch):
            out = self.session.run([self.output_name], {self.input_name: np.ascontiguousarray(batch)})[0]
            parts.append(np.asarray(out)[:count])
        if not parts:
            return np.zeros((0,) if self.outputs == "labels" else (0, self.num_classes), dtype=np.float32)
        return np.concatenate(parts)

    def at(self, path: Path) -> OnnxClassifier:
        """A copy of this classifier that runs the file `path`, whose inputs and outputs must have the same form."""
        return OnnxClassifier(
            path, input_shape=self.input_shape, num_classes=self.num_classes, outputs=self.outputs, notes=self.notes
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle only the file's path and the settings. The process that unpickles the classifier reads the file
        again."""
        known = {"input_shape": self.input_shape, "num_classes": self.num_classes, "outputs": self.outputs}
        return partial(OnnxClassifier, **known, notes=self.notes), (str(self.path),)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the ONNX file."""
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def _refuse_unsafe(proto: Any, path: Path) -> None:
    own = {(f.domain, f.name) for f in proto.functions}
    custom = sorted({n.domain for n in proto.graph.node if (n.domain, n.op_type) not in own} - _STANDARD_DOMAINS)
    if custom:
        raise InputError(
            f"expected standard ONNX operators, got domain {custom[0]!r} in {path}; export the model without this domain"
        )
    if any(t.data_location == t.EXTERNAL for t in proto.graph.initializer):
        raise InputError(f"expected weights inside {path}, got weights in other files; save the model as a single file")


def _merge(name: str, found: Any, given: tuple[int, ...] | None) -> tuple[int, ...]:
    """Combine the sizes from the file with the sizes that the caller gives. Raises an error if file and caller give
    different sizes, or if a size is missing in both."""
    known = [d if isinstance(d, int) and d > 0 else None for d in found]
    if given is not None:
        if len(given) != len(known) or any(k is not None and k != g for k, g in zip(known, given, strict=True)):
            raise ClassifierError(
                f"expected {name}={_sizes(known)}, as the ONNX file says, got {_sizes(given)}; leave out {name}="
            )
        return tuple(int(g) for g in given)
    if not known or None in known:
        raise InputError(
            f"expected a file that fixes the sizes of its input and output, got a file with {name} {_sizes(known)}; pass the missing sizes as {name}="
        )
    return tuple(int(k) for k in known if k is not None)


def _sizes(sizes: Sequence[int | None]) -> str:
    """Sizes as text: one size is a number, several sizes are in brackets, and "?" is a size that the file does not
    fix."""
    told = ", ".join("?" if size is None else str(size) for size in sizes)
    return told if len(sizes) == 1 else f"({told})"
