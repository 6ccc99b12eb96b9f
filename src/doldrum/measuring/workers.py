"""A measurement spread over processes of one thread each; labels are bit for bit those of one process."""

from __future__ import annotations

import os
import pickle
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import EngineError, InputError

if TYPE_CHECKING:
    from doldrum.measuring.measure import Measurement
    from doldrum.responses import Responses

__all__ = ["worker_chunks"]

_ONE_THREAD = ("DOLDRUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_run: Measurement | None = None  # in a worker: its own copy, with its own engine


def worker_chunks(run: Measurement, workers: int, start: int = 0) -> Iterator[Responses]:
    """`run.chunks(start)` by `workers` processes, in order; two batches a worker are under way at a time.

    Raises InputError for a classifier that can't be sent to another process, EngineError when a worker dies.
    In a script the call must be guarded by `if __name__ == "__main__"`, because workers import the script.
    """
    try:
        payload = pickle.dumps(run)
    except Exception as error:  # pickle raises what the objects inside it raise
        raise InputError(
            f"expected a classifier that can be sent to another process, got {error}; use one worker, or a function "
            "defined at the top of a module"
        ) from error
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))  # children read them as they start
    pending: deque[tuple[Future[Responses], list[str]]] = deque()
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start, initargs=(payload,))
    try:
        for images, ids in run.blocks(start):
            pending.append((pool.submit(_answer, np.ascontiguousarray(images), ids), ids))
            if len(pending) >= 2 * workers:
                yield _result(run, *pending.popleft())
        while pending:
            yield _result(run, *pending.popleft())
    except BrokenProcessPool as error:
        raise EngineError(
            "expected workers that live to the end, got one that died (killed, or out of memory); what was finished "
            "stays: run the same again to continue, with fewer workers or a smaller batch_size if memory was short"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _result(run: Measurement, future: Future[Responses], ids: list[str]) -> Responses:
    return replace(future.result(), ids=ids, info=run.info)


def _start(payload: bytes) -> None:
    global _run
    import sys

    _run = pickle.loads(payload)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def _answer(images: NDArray[Any], ids: list[str]) -> Responses:
    assert _run is not None
    (answer,) = _run.answer([(images, ids)])
    return replace(answer, info={})
