"""run_confined: one call in a confined process."""

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
    """Who answers what a confined process sends out: `answers` of requests, in order, `most` of them at a time. Requests are an attacker's."""

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

    The process has bounded memory, time and files, an environment without secrets, and as far as the platform allows
    (:func:`confinement`) no network, no new programs and no writing outside the folders named. It is confined before it
    imports anything but Python itself and this package. Its answer is data of an attacker's, should a file that it
    opened have taken it over: check it.

    Parameters
    ----------
    function
        "package.module:name". It is called with `argument` and with `tell`, which sends a JSON-able message to `on_message`.
    argument
        JSON-able.
    limits
        See :class:`Limits`.
    on_message
        Called here with each message; what it raises ends the process.
    help
        Others that do part of its work. The function is then called with a third argument, `ask`: requests, each a JSON-able value that isn't
        None and raw bytes, give their answers in order (:class:`doldrum.sandbox.outside.Outside`). What `help` raises ends the process.

    Raises
    ------
    InputError
        for a `function` that is no such name, or an argument that JSON can't hold. An error of doldrum's own raised in the
        process is raised here again, of the same class.
    OSError
        when the disk is full.
    SandboxError
        when the process dies, exceeds a limit, answers nonsense, or raises anything else; `reason` says which: "memory",
        "time", "disk", "output", "died", "nonsense" or "raised".

    Examples
    --------
    >>> run_confined("doldrum.sandbox.canary:double", 21)
    42
    """
    process = Confined(function, argument, limits or Limits(), helped=0 if help is None else help.most)

    def told() -> Frame:
        """The next frame that is no message."""
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
                "expected more requests from the confined process, got its last answer", reason="nonsense"
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
