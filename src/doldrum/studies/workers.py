"""Cells in processes of one thread each; a worker ends when the run that started it does."""

from __future__ import annotations

import io
import itertools
import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from doldrum.errors import EngineError

__all__ = ["run_all", "run_one"]

Job = tuple[str, Any]
Outcome = tuple[str, Any, dict[str, Any]]


def run_one(run: Callable[[Any], Any], key: str, cell: Any) -> Outcome:
    """(key, cell, {"values": …} or {"error": …, "trace": …}, with "seconds")."""
    began = time.perf_counter()
    try:
        found: dict[str, Any] = {"values": dict(run(cell))}
    except Exception as error:
        # Whatever a cell raises is its own affair: the others go on.
        found = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc(limit=-8)}
    return key, cell, {**found, "seconds": round(time.perf_counter() - began, 2)}


def run_all(run: Callable[[Any], Any], jobs: Sequence[Job], *, workers: int) -> Iterator[Outcome]:
    """The outcome of every job, as they end: in this process for one worker, else in `workers` others.

    `run` must be importable by name. The values don't depend on `workers`. Raises EngineError when a worker is killed.
    """
    if workers == 1:
        for key, cell in jobs:
            yield run_one(run, key, cell)
        return
    # Spawned, not forked: torch and OpenVINO hold threads, which a fork would lose.
    context = multiprocessing.get_context("spawn")
    numbers = context.Queue()
    for number in itertools.islice(itertools.cycle(_cores()), workers):
        numbers.put(number)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_settle, initargs=(numbers,))
    try:
        for future in as_completed([pool.submit(run_one, run, key, cell) for key, cell in jobs]):
            yield future.result()
    except BrokenProcessPool as error:
        raise EngineError(
            "expected workers that live, got one that was killed (memory?); run the same again with fewer --workers"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [-1]


def _settle(numbers: Any) -> None:
    """One core, one thread, no progress bars, and an end when the parent ends, however it ends."""
    core = numbers.get()
    if core >= 0:
        os.sched_setaffinity(0, {core})
    # A training recipe may ask for more threads, since sums depend on their number: they share the core and must not spin.
    os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    sys.stderr = _NoTerminal(sys.stderr.buffer, line_buffering=True)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _NoTerminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return False
