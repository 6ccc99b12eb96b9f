"""The engine that uses torch.compile, on the CPU (which needs a C++ compiler) and on CUDA, in fp32 or, if this is
faster, bf16."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.engines.base import DeviceFill, Engine, Tile
from doldrum.engines.precision import best_precision
from doldrum.errors import EngineError, InputError, missing_extra

__all__ = ["CompiledEngine"]


class CompiledEngine(Engine):
    """Compiles one graph for one batch shape, so nothing is compiled again. On CUDA, this engine uses CUDA graphs and
    pinned buffers.

    On CUDA, the host prepares the next tile while the device works on the present tile. Noise is added on the device,
    so only images and random draws are copied there.
    """

    name = "compile"

    def __init__(self, classifier: Classifier, *, rows: int, precision: str | None = None) -> None:
        try:
            import torch
        except ImportError as error:
            raise missing_extra("torch", "torch", error) from error
        module = getattr(classifier, "module", None)
        if module is None:
            raise EngineError(f"expected an nn.Module, got {type(classifier).__name__}; use engine='eager'")
        precision = precision or best_precision(getattr(classifier, "device", None))
        if precision not in ("bf16", "fp32"):
            raise InputError(f"expected precision 'bf16' or 'fp32', got {precision!r}")
        super().__init__(classifier, rows=rows, precision=precision)
        self.device: Any = getattr(classifier, "device", torch.device("cpu"))
        self._cuda = self.device.type == "cuda"
        self.fills_there = self._cuda  # whether tiles that can be are filled on the device
        self._torch = torch
        try:
            mode = "reduce-overhead" if self._cuda else "default"
            self._forward = torch.compile(module, dynamic=False, mode=mode)
            self._call(torch.zeros((rows, *classifier.input_shape), device=self.device))
        except Exception as error:  # the compiler raises many kinds: no C++ compiler, a graph it can't take
            raise EngineError(
                f"expected a module that torch.compile can compile on this machine, got {error}; use engine='eager'"
            ) from error

    def _call(self, batch: Any) -> Any:
        torch = self._torch
        half = self.precision == "bf16"
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            out = self._forward(batch)
        return out.float() if out.is_floating_point() else out

    def run(self, tiles: Iterable[Tile], sink: Callable[[Any, NDArray[Any]], None]) -> None:
        torch = self._torch
        shape = (self.rows, *self.classifier.input_shape)
        hosts = [torch.empty(shape, pin_memory=self._cuda) for _ in range(2)]
        there = torch.empty(shape, device=self.device) if self.fills_there else None
        waiting: tuple[Any, Any, Any] | None = None
        for turn, (key, fill) in enumerate(tiles):
            host = hosts[turn % 2]
            if there is not None and isinstance(fill, DeviceFill):
                fill.on(there)
                batch = there
            else:
                fill(host.numpy())
                batch = host.to(self.device, non_blocking=True)
            answer = key, *self._fetch(self._call(batch))
            if waiting is not None:
                self._hand_over(waiting, sink)
            waiting = answer
        if waiting is not None:
            self._hand_over(waiting, sink)

    def _fetch(self, out: Any) -> tuple[Any, Any]:
        """Copy the output to the host, since a CUDA graph overwrites it at its next replay. Return the copy, and the
        CUDA event that marks the end of the copying."""
        if not self._cuda:
            return out.clone(), None
        torch = self._torch
        copy = torch.empty(out.shape, dtype=out.dtype, pin_memory=True)
        copy.copy_(out, non_blocking=True)
        # Its own event: out.cpu() would wait for the next tile as well, which the device has by then.
        there = torch.cuda.Event()
        there.record(torch.cuda.current_stream(self.device))
        return copy, there

    def _hand_over(self, waiting: tuple[Any, Any, Any], sink: Callable[[Any, NDArray[Any]], None]) -> None:
        key, out, there = waiting
        if there is not None:
            there.synchronize()
        sink(key, self.classifier.check_output(np.asarray(out.numpy()), self.rows))
