"""An OpenVINO model as a Classifier, run by OpenVINO in fp32."""

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
    """The library, without its telemetry.

    Each conversion would start a dozen processes that report it to its makers: with a start method of "spawn" each of them imports
    the caller's script again. Without the package OpenVINO does without; who has imported it has chosen.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
    try:
        import openvino
    except ImportError as error:
        raise missing_extra("openvino", "openvino", error) from error
    return openvino


_cores: dict[int, Any] = {}  # by process: threads do not outlive a fork


def openvino_core() -> Any:
    """The one Core of this process, which never ends.

    On Linux a Core gives the thread that first compiles a model another stack for signals, and takes it away as it ends: where several come and
    go, the thread is left with one that is gone. The next signal that Python has a handler for (Ctrl-C; a child that ended, after a
    DataLoader had workers) then ends the process with a segmentation fault and no word.
    """
    if os.getpid() not in _cores:
        _cores[os.getpid()] = openvino_library().Core()
    return _cores[os.getpid()]


_recent: deque[Any] = deque(maxlen=4)


def hold_for_now(compiled: Any) -> None:
    """Keep a compiled model that has just run, until four others have.

    OpenVINO's thread may hold its model for a moment after the last answer; if ours were the only other reference and went now, the model
    would end in its own thread, which waits for itself: std::system_error, and an abort.
    """
    _recent.append(compiled)


class OpenVINOClassifier(Classifier):
    """Runs a plain model in OpenVINO's own format: float32 (N, C, H, W) in, scores (N, K) or labels (N,) out.

    `path` is its .xml, with its .bin in the same folder; `fixed_batch` is how many images it takes at a time, None for any number.
    `fingerprint` is that of the files that it was made from: OpenVINO gives the parts of a model new numbers each time it writes one.
    """

    no_gradients = (
        "a model that OpenVINO runs without gradients",
        "give the ONNX file or the torch module that it was made from",
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
        """The model for this processor, in fp32."""
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
        """For another process: a compiled model can't be sent, and its file can be read again."""
        known: dict[str, Any] = {
            "input_shape": self.input_shape, "num_classes": self.num_classes, "outputs": self.outputs,
            "fingerprint": self._fingerprint, "fixed_batch": self.fixed_batch, "notes": self.notes,
        }  # fmt: skip
        return partial(OpenVINOClassifier, **known), (str(self.path),)

    @property
    def fingerprint(self) -> str:
        return self._fingerprint
