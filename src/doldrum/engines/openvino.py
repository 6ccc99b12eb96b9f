"""OpenVINO on the CPU, in bf16 if the CPU is faster with it, and otherwise in fp32."""

from __future__ import annotations

import io
import math
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.adapters.openvino import OpenVINOClassifier, hold_for_now, openvino_core, openvino_library
from doldrum.classifiers.base import Classifier
from doldrum.engines.base import Engine, Tile, threads
from doldrum.engines.precision import best_precision
from doldrum.engines.slices import slice_rows
from doldrum.errors import EngineError, InputError

__all__ = ["OpenVINOEngine", "supports"]


def supports(classifier: Classifier) -> bool:
    """Whether OpenVINO can read this classifier's graph: an nn.Module, an ONNX file or an OpenVINO model."""
    return any(hasattr(classifier, name) for name in ("module", "session")) or isinstance(
        classifier, OpenVINOClassifier
    )


class OpenVINOEngine(Engine):
    """Runs one stream per core, each on its own slice of a tile. While the streams run, the host fills the next tile.

    The number of rows in a slice is chosen so that the data between layers stays in a core's cache, if possible
    (`engines/slices.py`).
    """

    name = "openvino"

    def __init__(self, classifier: Classifier, *, rows: int, precision: str | None = None) -> None:
        precision = precision or best_precision()
        if precision not in ("bf16", "fp32"):
            raise InputError(f"expected precision 'bf16' or 'fp32', got {precision!r}")
        super().__init__(classifier, rows=rows, precision=precision)
        ov = openvino_library()
        try:
            model = _graph(ov, classifier)
            model.reshape([rows, *classifier.input_shape])
            weights, layers = _traffic(model, rows, each=2 if precision == "bf16" else 4)
            self.slice = slice_rows(rows, weights=weights, layers=layers)
            model.reshape([self.slice, *classifier.input_shape])
            config = {
                "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
                "NUM_STREAMS": str(threads()),
                "INFERENCE_NUM_THREADS": str(threads()),
                # Pinned, the first stream of every process sits on the first core: two workers would share it and leave the other idle.
                "ENABLE_CPU_PINNING": False,
            }
            self.compiled = openvino_core().compile_model(model, "CPU", config)
        except EngineError:
            raise
        except Exception as error:  # OpenVINO raises RuntimeError and its own kinds alike
            raise EngineError(f"expected a graph that OpenVINO can compile, got {error}; use engine='eager'") from error
        self._jobs = threads() + 2

    def run(self, tiles: Iterable[Tile], sink: Callable[[Any, NDArray[Any]], None]) -> None:
        # Not openvino.AsyncInferQueue: its callbacks leave OpenVINO's threads wanting the interpreter's lock once more after
        # wait_all, and one that gets there as the interpreter ends aborts the process ("terminate called without an active exception").
        free, busy = deque[Any](), deque[tuple[Any, Any, list[NDArray[Any]]]]()

        def finish() -> None:
            request, key, parts = busy.popleft()
            request.wait()
            parts.append(self.classifier.check_output(request.get_output_tensor(0).data, self.slice).copy())
            free.append(request)
            if len(parts) * self.slice >= self.rows:
                sink(key, np.concatenate(parts)[: self.rows])

        # The last slice may have a few rows more than are left of the tile: they stay empty.
        rows = -(-self.rows // self.slice) * self.slice
        images = np.zeros((rows if rows > self.slice else 0, *self.classifier.input_shape), dtype=np.float32)
        try:
            for key, fill in tiles:
                parts: list[NDArray[Any]] = []
                for start in range(0, self.rows, self.slice):
                    if not free and len(busy) == self._jobs:
                        finish()
                    elif not free:
                        free.append(self.compiled.create_infer_request())
                    request = free.popleft()
                    buffer = request.get_input_tensor(0).data
                    if rows == self.slice:
                        fill(buffer)
                    else:
                        if start == 0:
                            fill(images[: self.rows])
                        buffer[:] = images[start : start + self.slice]
                    request.start_async()
                    busy.append((request, key, parts))
            while busy:
                finish()
        finally:
            for request, _, _ in busy:
                request.wait()
            hold_for_now(self.compiled)


_LAYERS = {"Convolution", "GroupConvolution", "MatMul", "ScaledDotProductAttention"}
"""The types of layers that take most of the time. OpenVINO merges most layers of other types into layers of the types
listed here."""


def _traffic(model: Any, rows: int, *, each: int) -> tuple[int, list[int]]:
    """Bytes of a model's weights, and bytes that go into and out of each layer for one row. A number has `each`
    bytes."""

    def size(port: Any) -> int:
        return 0 if port.get_partial_shape().is_dynamic else each * math.prod(port.get_shape())

    weights, layers, fixed = 0, [], set[str]()
    for node in model.get_ordered_ops():
        sources = [port.get_source_output() for port in node.inputs()]
        if node.get_type_name() == "Constant":
            weights += size(node.output(0))
        elif node.get_type_name() in _LAYERS:
            moving = [port for port in sources if port.get_node().get_friendly_name() not in fixed]
            layers.append(sum(map(size, [*moving, *node.outputs()])) // rows)
        if node.get_type_name() == "Constant" or (
            sources and all(p.get_node().get_friendly_name() in fixed for p in sources)
        ):
            fixed.add(node.get_friendly_name())
    return weights, layers


def _graph(ov: Any, classifier: Classifier) -> Any:
    """The classifier's graph as an OpenVINO model."""
    module = getattr(classifier, "module", None)
    if module is not None:
        import torch
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

        example = torch.zeros((2, *classifier.input_shape), device=next(module.parameters(), torch.zeros(1)).device)
        with torch.no_grad(), warnings.catch_warnings():
            # torch announces the end of tracing on every call. Whether the traced graph is right is checked by its labels, so
            # torch need not trace it a second time (which also imports torch.distributed, for 1.5 s).
            warnings.simplefilter("ignore")
            decoder = TorchScriptPythonDecoder(module, example_input=example, trace_kwargs={"check_trace": False})
            return ov.convert_model(decoder)
    path = getattr(classifier, "path", None)
    if path is None:
        raise EngineError(f"expected an nn.Module or an ONNX file, got {type(classifier).__name__}; use engine='eager'")
    if getattr(classifier, "fixed_batch", None):
        raise EngineError("expected a model with a free batch size, got a fixed one; export it with a dynamic batch")
    if isinstance(classifier, OpenVINOClassifier):
        return openvino_core().read_model(path)
    return openvino_core().read_model(io.BytesIO(path.read_bytes()))
