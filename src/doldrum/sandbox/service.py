"""Service: a confined process that stays and answers one request after another."""

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
    """The thread is not in a process that was forked: it gets one of its own."""
    global _starter
    _starter = ThreadPoolExecutor(1, thread_name_prefix="doldrum-confined")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Sender(threading.Thread):
    """Writes requests, and None after them; `trouble` is what making one raised."""

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
        """Whether it went out: where the process is gone, `frame` says why."""
        try:
            self.process.write(value, data)
        except (OSError, ValueError):  # its end is closed, or ours
            return False
        return True


class Service:
    """A confined process that stays: its function gives (facts, handle), and `handle` answers each request.

    Parameters
    ----------
    function : "package.module:name"
        `function(argument, tell)` -> (facts, handle): a JSON-able value, and :data:`doldrum.sandbox.child.Handle`.
    argument
        JSON-able.
    limits : Limits
        `seconds` bounds the start, and then each wait for an answer. Its processor time is not bounded.

    `facts` are what the function gave, an attacker's: check them. One request is answered at a time; other threads wait.

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
        """Send requests, each a value and raw bytes, hear the blocks that come back, and give the value that ends the answer.

        They are sent by another thread while answers come, so either side may be ahead of the other. Where the requests raise, or
        `heard` does, or the process exceeds a limit, it is ended. An error that its function raised is raised here, and the process keeps running.
        """
        with self._turn:
            if self.ended:
                raise SandboxError(
                    f"expected a confined process, got one that {'was closed' if self._closed else 'has ended'}; open the model again",
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
        """End the process; a call that waits for its answer raises that it was closed."""
        self._closed = self.ended = True
        self._end()
