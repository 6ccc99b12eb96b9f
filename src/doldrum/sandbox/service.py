"""Service: a confined process that keeps running and answers one request after another."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from doldrum.errors import SandboxError
from doldrum.sandbox.frames import BLOCK, ERROR, VALUE
from doldrum.sandbox.limits import Limits
from doldrum.sandbox.process import Confined, raised

__all__ = ["Service"]

# A confined process ends with the thread that started it: this one stays as long as Python does.
_starter = ThreadPoolExecutor(1, thread_name_prefix="doldrum-confined")


def _after_fork() -> None:
    """Give a forked process its own thread for starting confined processes, since a fork copies no threads."""
    global _starter
    _starter = ThreadPoolExecutor(1, thread_name_prefix="doldrum-confined")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Sender(threading.Thread):
    """A thread that writes requests to the confined process. After the last request, the thread writes None. If the
    iterator of requests raises an error, `trouble` is this error."""

    def __init__(self, process: Confined, requests: Iterable[tuple[Any, Any]]) -> None:
        super().__init__(daemon=True)
        self.process, self.requests = process, requests
        self.stopped = False
        self.trouble: BaseException | None = None

    def run(self) -> None:
        try:
            for value, data in self.requests:
                if self.stopped or not self._written(value, data):
                    break
        except BaseException as error:  # raised where the answer is waited for
            self.trouble = error
            self.process.kill()
            return
        self._written(None, b"")

    def _written(self, value: Any, data: Any) -> bool:
        """Write a request, and return whether it could be written. If the process has ended, its method `frame` raises
        an error that says why."""
        try:
            self.process.write(value, data)
        except (OSError, ValueError):  # its end is closed, or ours
            return False
        return True


class Service:
    """A confined process that keeps running. The process first calls `function`, which returns (facts, handle). After
    that, `handle` answers each request.

    Parameters
    ----------
    function : "package.module:name"
        `function(argument, tell)` returns (facts, handle): `facts` is a JSON-able value, and `handle` is a
        :data:`doldrum.sandbox.child.Handle`.
    argument
        A JSON-able value.
    limits : Limits
        `seconds` limits the time for the start of the process, and later the time of each wait for an answer. The
        processor time is not limited.

    `facts` are the facts that the function returned. An attacker may control these facts, so check them. Only one
    request is answered at a time. If a second thread sends a request, it has to wait.

    Examples
    --------
    >>> service = Service("doldrum.sandbox.canary:doubler", None, limits=Limits(seconds=60))
    >>> service.ask([({}, b"ab"), ({}, b"c")], lambda value, data: print(value, data))
    1 b'aabb'
    2 b'cc'
    ['doubles bytes', 2]
    >>> service.close()
    """

    def __init__(self, function: str, argument: Any, *, limits: Limits) -> None:
        self.limits, self._closed = limits, False
        self._turn = threading.Lock()
        started = _starter.submit(lambda: Confined(function, argument, limits, asked=True))
        try:
            self._process = started.result()
        except BaseException:  # an interrupt: it may have started all the same
            started.add_done_callback(lambda done: None if done.exception() else done.result().close())
            raise
        self._end = weakref.finalize(self, self._process.close)  # with this object, or with Python
        try:
            self.facts = self._value(lambda value, data: None)
        except BaseException:
            self.close()
            raise

    def ask(self, requests: Iterable[tuple[Any, Any]], heard: Callable[[Any, bytes], None]) -> Any:
        """Send requests, and return the last value of the answer. A request is a value and raw bytes. `heard` is called
        with each block that the process sends back.

        A separate thread sends the requests while answers arrive, so requests and answers do not have to wait for one
        another. The process is ended if it exceeds a limit, or if `heard` or the iterator of requests raises an error.
        If the function in the process raises an error, `ask` raises this error, and the process keeps running.
        """
        with self._turn:
            if self.ended:
                raise SandboxError(
                    f"expected a running confined process, got a process that {'was closed' if self._closed else 'has ended'}; open the model again",
                    reason="closed" if self._closed else "died",
                )
            sender = _Sender(self._process, requests)
            self._process.allow(self.limits.seconds)
            sender.start()
            try:
                return self._value(heard)
            except SandboxError:
                if sender.trouble is not None:
                    raise sender.trouble from None
                if self._closed:
                    raise SandboxError(
                        "expected an answer from the confined process, got none: the process was closed while it was working; close it after its last answer",
                        reason="closed",
                    ) from None
                raise
            finally:
                sender.stopped = True
                if self.ended:
                    self._end()
                sender.join()

    def _value(self, heard: Callable[[Any, bytes], None]) -> Any:
        self.ended = True  # until there is an answer
        while True:
            frame = self._process.frame()
            if frame.kind == ERROR:
                error = raised(frame.value, self.limits)
                self.ended = isinstance(error, SandboxError) and error.reason != "raised"
                raise error
            if frame.kind == VALUE:
                self.ended = False
                return frame.value
            if frame.kind == BLOCK:
                self._process.allow(self.limits.seconds)
                heard(frame.value, frame.data)

    def close(self) -> None:
        """End the process. A call that is waiting for an answer raises an error, which says that the process was closed."""
        self._closed = self.ended = True
        self._end()
