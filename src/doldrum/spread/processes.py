"""Workers on this machine: spawned processes, which end when the process that started them ends."""

from __future__ import annotations

import io
import itertools
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from doldrum.errors import DoldrumError, InputError, WorkerError
from doldrum.sandbox.process import end_confined
from doldrum.sandbox.shares import WORKERS
from doldrum.spread.interrupts import interrupts_held
from doldrum.spread.pool import LOST, NEVER_BEGAN, ONE_THREAD, Lost, Pool, settle

__all__ = ["ProcessesPool"]

_work: Any = None  # in a worker: its own copy
_failure: DoldrumError | None = None  # in a worker: why there is none
_asked = threading.Event()  # in a worker: it was told to end


class ProcessesPool(Pool):
    """A pool of spawned processes.

    The processes are not forked, because torch and OpenVINO have threads that a fork would lose.
    """

    def __init__(self, work: Any, workers: int, *, one_core: bool) -> None:
        self.size, self._one_core = workers, one_core
        try:
            self._payload = pickle.dumps(work)
        except Exception as error:  # pickle raises what the objects inside it raise
            raise InputError(
                f"expected work that can be sent to another process, got {error}; use one worker, or a function defined "
                "at the top of a module"
            ) from error
        self._pool: ProcessPoolExecutor | None = None
        self._begun: Any = None
        self._before: dict[str, str | None] = {}

    def start(self) -> None:
        # Libraries read them as a child starts, before any code of ours runs there.
        environment = ONE_THREAD | {WORKERS: str(self.size)}
        self._before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        self._make()

    def _make(self) -> None:
        context = multiprocessing.get_context("spawn")
        with interrupts_held():
            cores = context.Queue()
            for core in itertools.islice(itertools.cycle(_cores() if self._one_core else [-1]), self.size):
                cores.put(core)
            # Not an Event: one that is killed as it sets it would leave it locked.
            self._begun = self._begun or context.RawValue("b", 0)
            self._pool = ProcessPoolExecutor(
                self.size, mp_context=context, initializer=_start, initargs=(self._payload, cores, self._begun)
            )

    def submit(self, job: Any) -> Future[Any]:
        assert self._pool is not None
        try:
            with interrupts_held():  # a job may start a worker
                return self._pool.submit(_do, job)
        except BrokenProcessPool as error:
            raise self._lost() from error
        except OSError as error:
            # A worker that is started while another one's death is being noticed finds the pool's pipes closed.
            if getattr(self._pool, "_broken", False):
                raise self._lost() from error
            raise

    def outcome(self, future: Future[Any]) -> Any:
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise self._lost() from error

    def _lost(self) -> WorkerError:
        return Lost(LOST) if self._begun.value else WorkerError(NEVER_BEGAN)

    def replace(self) -> None:
        """Replace all workers after one has died, because their shared pipes may contain half a message."""
        assert self._pool is not None
        self._pool.shutdown()  # they are ended already; from now on every job is done or lost
        self._make()

    def lost(self, future: Future[Any]) -> bool:
        return future.done() and not future.cancelled() and isinstance(future.exception(), BrokenProcessPool)

    def close(self, *, wait: bool) -> None:
        try:
            if self._pool is not None and wait:
                self._pool.shutdown()
            elif self._pool is not None:  # interrupted, or a job failed: what is under way would hold up the end
                with interrupts_held():  # a second Ctrl-C would leave some of them at work, and be waited for
                    for process in list((getattr(self._pool, "_processes", None) or {}).values()):
                        process.terminate()
                    self._pool.shutdown(wait=False, cancel_futures=True)
        finally:
            for name, value in self._before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [-1]


def _start(payload: bytes, cores: Any, begun: Any) -> None:
    """Set up a worker: it has one thread, shows no progress bars, and ends when the parent process ends."""
    global _work, _failure
    begun.value = 1
    core = cores.get()
    if core >= 0:
        os.sched_setaffinity(0, {core})
    sys.stderr = _NoTerminal(sys.stderr.buffer, line_buffering=True)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threading.Thread(target=_leave, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda number, frame: _asked.set())
    settle()
    try:
        _work = pickle.loads(payload)
    except DoldrumError as error:
        _failure = error
    except (
        Exception
    ) as error:  # what is inside it raises what it likes; let out, it would break the pool and say nothing
        _failure = WorkerError(
            f"expected work that can be rebuilt in another process, got {type(error).__name__}: {error}; use one worker"
        )
    settle()


def _do(job: Any) -> Any:
    if _failure is not None:
        raise _failure
    try:
        return _work(job)
    finally:
        if _asked.is_set():  # its models are being ended under it: what it raises says nothing of the job
            threading.Event().wait()


def _leave() -> None:
    """After SIGTERM, end the separate processes in which this worker opened models, and then end the worker.

    The pool ends its workers by SIGTERM, often in the middle of a job. This function runs in its own thread. A signal
    handler could interrupt the job while the job holds a lock. If ending a model needs this lock, the handler would
    wait for ever.
    """
    _asked.wait()
    end_confined()
    os._exit(128 + signal.SIGTERM)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _NoTerminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return False
