"""The confined process: read the job, confine oneself, import and call the function, send back what it gives."""

from __future__ import annotations

import errno
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

__all__ = ["main"]


def main(temporary: str) -> None:
    """Do the job in `temporary`/job.json and leave; the last thing sent is a value or an error."""
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not look like an answer
    job = json.loads((Path(temporary) / "job.json").read_text())
    from doldrum.errors import DoldrumError
    from doldrum.sandbox.confine import confine
    from doldrum.sandbox.frames import MESSAGE, VALUE, write_frame

    sys.path[:] = job["path"]
    confine(job["limits"], temporary=temporary, path=job["path"], parent=job["parent"])
    os.chdir(temporary)
    try:
        module, _, name = job["function"].partition(":")
        function = getattr(importlib.import_module(module), name)
        value = function(job["argument"], lambda message: write_frame(channel, MESSAGE, message))
        write_frame(channel, VALUE, value)
    except MemoryError:
        _fail(channel, "MemoryError", "")
    except DoldrumError as error:
        _fail(channel, type(error).__name__, str(error))
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            _fail(
                channel, "full disk", f"{error.strerror or 'the disk is full'}: {error.filename or 'a temporary file'}"
            )
            return
        import traceback

        traceback.print_exc()
        _fail(channel, "" if isinstance(error, Exception) else "exit", f"{type(error).__name__}: {error}")
    finally:
        sys.stderr.flush()
        os._exit(0)  # libraries' own ends may hang or crash, and nothing of theirs is left to save


def _fail(channel: BinaryIO, kind: str, text: str) -> None:
    from doldrum.sandbox.frames import ERROR, write_frame

    value: dict[str, Any] = {"kind": kind, "text": text[:4000]}
    write_frame(channel, ERROR, value)


if __name__ == "__main__":
    main(sys.argv[1])
