"""run_confined: make one call in a confined process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from doldrum.errors import SandboxError
from doldrum.sandbox.frames import BLOCK, ERROR, MESSAGE, Frame, Request
from doldrum.sandbox.limits import Limits
from doldrum.sandbox.process import Confined, raised

__all__ = ["Help", "run_confined"]


@dataclass(frozen=True)
class Help:
    """Help for a confined process, which may send requests to the parent process. `answers` takes these requests and
    yields the answers in order. `most` is the largest number of requests that may be open at a time.

    An attacker may control the requests.
    """

    answers: Callable[[Iterator[Request]], Iterator[Request]]
    most: int


def run_confined(
    function: str,
    argument: Any = None,
    *,
    limits: Limits | None = None,
    on_message: Callable[[Any], None] | None = None,
    help: Help | None = None,
) -> Any:
    """Call `function(argument, tell)` in a fresh, confined Python process and return what it returns.

    The process has limited memory, time and files, and an environment without secrets. As far as the platform allows
    (:func:`confinement`), the process has no network, cannot start new programs, and can write only to the given folders. The process is
    confined before it imports anything except Python itself and this package. If a hostile file has taken over the process, an attacker controls
    the returned value. So check the returned value.

    Parameters
    ----------
    function
        "package.module:name". The function is called with `argument` and with `tell`, which sends a JSON-able message to `on_message`.
    argument
        A JSON-able value.
    limits
        See :class:`Limits`.
    on_message
        A function that the calling process calls with each message. If `on_message` raises an error, the confined
        process is ended.
    help
        If `help` is given, the function in the confined process can send out parts of its work as requests, which
        `help` answers. With `help`, the function gets a third argument, `ask`. `ask` takes requests and yields their
        answers in order. A request is a JSON-able value that isn't None, with raw bytes
        (:class:`doldrum.sandbox.outside.Outside`). If `help` raises an error, the process is ended.

    Raises
    ------
    InputError
        if `function` is not of the form "package.module:name", or if JSON can't hold the argument. If the process
        raises an error of doldrum's own classes, an error of the same class is raised here.
    OSError
        if the disk is full.
    SandboxError
        if the process dies, exceeds a limit, sends invalid data, or raises any other error. The error's attribute
        `reason` says what happened: "memory",
        "time", "disk", "output", "died", "nonsense" or "raised".

    Examples
    --------
    >>> run_confined("doldrum.sandbox.canary:double", 21)
    42
    """
    process = Confined(function, argument, limits or Limits(), helped=0 if help is None else help.most)

    def told() -> Frame:
        """Pass progress messages to `on_message`, and return the next frame that is not a progress message."""
        while (frame := process.frame()).kind == MESSAGE:
            if on_message is not None:
                on_message(frame.value)
        if frame.kind == ERROR:
            raise raised(frame.value, process.limits)
        if frame.kind == BLOCK and help is None:
            raise SandboxError("expected an answer from the confined process, got a block of bytes", reason="nonsense")
        return frame

    def asked(frame: Frame) -> Iterator[Request]:
        while frame.kind == BLOCK and frame.value is not None:
            yield frame.value, frame.data
            frame = told()
        if frame.kind != BLOCK:
            raise SandboxError(
                "expected the confined process to end its list of requests, got the function's value before the end",
                reason="nonsense",
            )

    try:
        while (frame := told()).kind == BLOCK:
            assert help is not None
            with contextlib.suppress(BrokenPipeError):  # it is gone: the next frame says why
                for value, data in help.answers(asked(frame)):
                    process.write(value, data)
                process.write(None)
        return frame.value
    finally:
        process.close()
