"""The code of a confined process: read the job, apply the limits, import and call the function, send back its value, and answer requests."""

from __future__ import annotations

import errno
import importlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

from doldrum.sandbox.frames import Request

__all__ = ["Handle", "main"]

Handle = Callable[[Request, Callable[[], Request | None], Callable[[Any, Any], None]], Any]
"""A function `handle(request, read, block)` that answers a request. Its argument `read` is a function that returns the
request's next part, and `block` is a function that sends a value with raw bytes.

The value that `handle` returns is sent as the last part of the answer.
"""


def main(temporary: str) -> None:
    """Do the job that the file job.json in the folder `temporary` describes, send its value or an error, and exit."""
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not look like an answer
    job = json.loads((Path(temporary) / "job.json").read_text())
    from doldrum.sandbox.confine import confine
    from doldrum.sandbox.frames import MESSAGE, VALUE, write_frame

    sys.path[:] = job["path"]
    confine(job["limits"], temporary=temporary, path=job["path"], parent=job["parent"])
    os.chdir(temporary)
    turn: AbstractContextManager[Any] = nullcontext()
    try:
        module, _, name = job["function"].partition(":")
        function = getattr(importlib.import_module(module), name)
        if job["helped"]:
            from doldrum.sandbox.outside import Outside

            outside = Outside(channel, most=job["helped"])
            turn = outside.turn
            write_frame(channel, VALUE, function(job["argument"], outside.tell, outside.ask))
            return
        value = function(job["argument"], lambda message: write_frame(channel, MESSAGE, message))
        if job["asked"]:
            value, handle = value
            write_frame(channel, VALUE, value)
            _serve(handle, channel)
        else:
            write_frame(channel, VALUE, value)
    except BaseException as error:
        with turn:
            _tell(channel, error)
    finally:
        sys.stderr.flush()
        os._exit(0)  # libraries' own ends may hang or crash, and nothing of theirs is left to save


def _serve(handle: Handle, channel: BinaryIO) -> None:
    """Answer one request after another, until the parent process closes the pipe."""
    from doldrum.sandbox.frames import BLOCK, VALUE, read_frame, write_frame

    asked = os.fdopen(os.dup(0), "rb", buffering=1 << 20)
    more = False

    def read() -> Request | None:
        """Read the next part of a request. The result is None at the end of the request."""
        nonlocal more
        frame = read_frame(asked, 1 << 40)
        if frame is None:  # nobody asks any more
            os._exit(0)
        more = frame.value is not None
        return (frame.value, frame.data) if more else None

    while True:
        try:
            request = read()
            assert request is not None
            value = handle(request, read, lambda value, data: write_frame(channel, BLOCK, value, data))
            while more:
                read()
            write_frame(channel, VALUE, value)
        except BrokenPipeError:
            return
        except BaseException as error:
            _tell(channel, error)
            while more:
                read()


def _tell(channel: BinaryIO, error: BaseException) -> None:
    """Send an error to the parent process, with its kind and its text."""
    from doldrum.errors import DoldrumError, is_lack_of_memory

    if isinstance(error, DoldrumError):
        _fail(channel, type(error).__name__, str(error))
    elif is_lack_of_memory(error):
        _fail(channel, "MemoryError", "")
    elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        _fail(channel, "full disk", f"{error.strerror or 'the disk is full'}: {error.filename or 'a temporary file'}")
    else:
        import traceback

        traceback.print_exception(error)
        _fail(channel, "" if isinstance(error, Exception) else "exit", f"{type(error).__name__}: {error}")


def _fail(channel: BinaryIO, kind: str, text: str) -> None:
    from doldrum.sandbox.frames import ERROR, write_frame

    value: dict[str, Any] = {"kind": kind, "text": text[:4000]}
    write_frame(channel, ERROR, value)


if __name__ == "__main__":
    main(sys.argv[1])
