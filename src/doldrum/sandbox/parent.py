"""run_confined: one call in a confined process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from doldrum.errors import SandboxError
from doldrum.sandbox.frames import ERROR, MESSAGE, VALUE
from doldrum.sandbox.limits import Limits
from doldrum.sandbox.process import Confined, raised

__all__ = ["run_confined"]


def run_confined(
    function: str,
    argument: Any = None,
    *,
    limits: Limits | None = None,
    on_message: Callable[[Any], None] | None = None,
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
    process = Confined(function, argument, limits or Limits())
    try:
        while True:
            frame = process.frame()
            if frame.kind == VALUE:
                return frame.value
            if frame.kind == ERROR:
                raise raised(frame.value, process.limits)
            if frame.kind != MESSAGE:
                raise SandboxError("expected an answer from the confined process, got a block", reason="nonsense")
            if on_message is not None:
                on_message(frame.value)
    finally:
        process.close()
