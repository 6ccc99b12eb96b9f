"""ONNX Runtime on the CPU in fp32, for an .onnx file or a module exported in memory. All threads, one per core, use the
same ONNX Runtime session."""

from __future__ import annotations

import io
import itertools
import queue
import threading
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.adapters.onnx import load_onnxruntime
from doldrum.classifiers.base import Classifier
from doldrum.engines.base import Engine, Tile, threads
from doldrum.errors import EngineError, InputError

__all__ = ["OnnxRuntimeEngine"]


class OnnxRuntimeEngine(Engine):
    """Runs each tile on a single thread, so the number of cores changes no score."""

    name = "onnxruntime"

    def __init__(self, classifier: Classifier, *, rows: int, precision: str | None = None) -> None:
        if precision not in (None, "fp32"):
            raise InputError(f"expected precision 'fp32' for onnxruntime, got {precision!r}")
        super().__init__(classifier, rows=rows, precision="fp32")
        ort = load_onnxruntime()
        model = _model(classifier, rows)
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            # One session serves all threads: run() may be called by several at a time.
            self.session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions share no public base
            raise EngineError(f"expected a graph that ONNX Runtime takes, got {error}; use engine='eager'") from error
        if len(self.session.get_inputs()) != 1:  # a module that leaves torch is traced as a constant
            raise EngineError(
                f"expected a graph with one input, got {len(self.session.get_inputs())} inputs; use engine='eager'"
            )
        self._input = self.session.get_inputs()[0].name
        self._output = self.session.get_outputs()[0].name

    def run(self, tiles: Iterable[Tile], sink: Callable[[Any, NDArray[Any]], None]) -> None:
        first = list(itertools.islice(tiles := iter(tiles), 2))
        if len(first) == 1:  # a batch alone: threads would take a tenth of its time to start
            ((key, fill),) = first
            fill(buffer := np.empty((self.rows, *self.classifier.input_shape), dtype=np.float32))
            sink(key, self._answer(buffer))
            return
        tasks: queue.Queue[tuple[Any, NDArray[np.float32]] | None] = queue.Queue()
        free: queue.Queue[NDArray[np.float32]] = queue.Queue()
        failures: list[BaseException] = []

        def work() -> None:
            while (task := tasks.get()) is not None:
                key, buffer = task
                try:
                    if not failures:
                        sink(key, self._answer(buffer))
                except BaseException as error:  # raised again below, in the caller's thread
                    failures.append(error)
                finally:
                    free.put(buffer)

        count = threads()
        for _ in range(count + 1):
            free.put(np.empty((self.rows, *self.classifier.input_shape), dtype=np.float32))
        workers = [threading.Thread(target=work, daemon=True) for _ in range(count)]
        for worker in workers:
            worker.start()
        try:
            for key, fill in itertools.chain(first, tiles):
                buffer = free.get()
                if failures:
                    break
                fill(buffer)
                tasks.put((key, buffer))
        finally:
            for _ in workers:
                tasks.put(None)
            for worker in workers:
                worker.join()
        if failures:
            raise failures[0]

    def _answer(self, buffer: NDArray[np.float32]) -> NDArray[Any]:
        return self.classifier.check_output(self.session.run([self._output], {self._input: buffer})[0], self.rows)


def _model(classifier: Classifier, rows: int) -> bytes:
    path = getattr(classifier, "path", None)
    if path is not None and hasattr(classifier, "session"):
        if getattr(classifier, "fixed_batch", None) not in (None, rows):
            raise EngineError("expected an ONNX file with a free batch size, got a fixed one; use engine='eager'")
        return path.read_bytes()
    module = getattr(classifier, "module", None)
    if module is None:
        raise EngineError(f"expected an nn.Module or an ONNX file, got {type(classifier).__name__}; use engine='eager'")
    import torch

    device = next(module.parameters(), torch.zeros(1)).device
    file = io.BytesIO()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # The tracer announces its own end on every call; whether its graph is right is checked by its labels.
            warnings.simplefilter("ignore")
            example = torch.zeros((rows, *classifier.input_shape), device=device)
            torch.onnx.export(module, (example,), file, dynamo=False)  # pyright: ignore[reportArgumentType]
    except Exception as error:  # the tracer raises whatever the model raises
        raise EngineError(f"expected a module that can be exported to ONNX, got {error}; use engine='eager'") from error
    return file.getvalue()
