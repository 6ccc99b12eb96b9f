"""A Classifier made from an OpenVINO model, run by OpenVINO in fp32."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier, Outputs, fixed_batches
from doldrum.errors import ClassifierError, check_memory_left, missing_extra

__all__ = ["OpenVINOClassifier", "hold_for_now", "openvino_core", "openvino_library"]


def openvino_library() -> Any:
    """Import OpenVINO without its telemetry.

    With telemetry, each conversion starts a dozen processes that report to OpenVINO's makers. With the start method
    "spawn", each process for telemetry imports the caller's script again. OpenVINO works without the telemetry package.
    If the user has already imported the telemetry package, it stays active.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
    try:
        import openvino
    except ImportError as error:
        raise missing_extra("openvino", "openvino", error) from error
    return openvino


_cores: dict[int, Any] = {}  # by process: threads do not outlive a fork


def openvino_core() -> Any:
    """The only OpenVINO Core of this process, which is never deleted.

    On Linux, an OpenVINO Core makes a new memory stack for signals. The thread that first compiles a model then handles
    signals on this stack. When a Core is deleted, its stack for signals is removed. If several Cores are made and
    deleted, the thread keeps using a stack that no longer exists. If Python handles a signal on a stack that no longer
    exists, the process ends with a segmentation fault, without a message. Python gets a signal from Ctrl-C. After a
    DataLoader has had workers, Python also gets a signal when a child process ends.
    """
    if os.getpid() not in _cores:
        _cores[os.getpid()] = openvino_library().Core()
    return _cores[os.getpid()]


_recent: deque[Any] = deque(maxlen=4)


def hold_for_now(compiled: Any) -> None:
    """Keep a reference to a compiled model that has just run, until four other models have run.

    OpenVINO's thread may still use a model for a moment after the model's last answer. If doldrum deleted its own
    reference while the thread still uses the model, the thread would delete the model and wait for itself. A thread
    that waits for itself aborts the process with std::system_error.
    """
    _recent.append(compiled)


class OpenVINOClassifier(Classifier):
    """Runs a model in OpenVINO's own format, which takes float32 images (N, C, H, W) and returns scores (N, K) or
    labels (N,).

    `path` is the model's .xml file, with its .bin file in the same folder. `fixed_batch` is the number of images that
    the model takes at a time, or None for any number. `fingerprint` is the fingerprint of the files that the model was
    made from. The model itself has no stable fingerprint, since OpenVINO numbers the parts of a model differently each
    time.
    """

    no_gradients = (
        "a model that OpenVINO runs without gradients",
        "give the ONNX file or the torch module from which the OpenVINO model was made",
    )

    def __init__(
        self,
        path: str | Path,
        *,
        input_shape: tuple[int, int, int],
        num_classes: int,
        outputs: Outputs,
        fingerprint: str,
        fixed_batch: int | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__(input_shape=input_shape, num_classes=num_classes, outputs=outputs)
        self.path, self.fixed_batch, self.notes = Path(path), fixed_batch, tuple(notes)
        self._fingerprint = fingerprint

    @cached_property
    def compiled(self) -> Any:
        """The model compiled for this processor, in fp32."""
        core = openvino_core()
        try:
            return core.compile_model(core.read_model(self.path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        except RuntimeError as error:
            check_memory_left(error)
            why = "".join(str(error).strip().splitlines()[-1:])
            raise ClassifierError(f"expected a model that OpenVINO can run, got {why}; export it as ONNX") from error

    def forward(self, images: NDArray[np.float32]) -> Any:
        parts = [
            np.array(self.compiled(np.ascontiguousarray(batch))[0])[:count]
            for batch, count in fixed_batches(images, self.fixed_batch)
        ]
        hold_for_now(self.compiled)
        if not parts:
            return np.zeros((0,) if self.outputs == "labels" else (0, self.num_classes), dtype=np.float32)
        return np.concatenate(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle only the file's path and the settings. The process that unpickles the classifier compiles the model
        again."""
        known: dict[str, Any] = {
            "input_shape": self.input_shape, "num_classes": self.num_classes, "outputs": self.outputs,
            "fingerprint": self._fingerprint, "fixed_batch": self.fixed_batch, "notes": self.notes,
        }  # fmt: skip
        return partial(OpenVINOClassifier, **known), (str(self.path),)

    @property
    def fingerprint(self) -> str:
        return self._fingerprint
