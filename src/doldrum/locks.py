"""Check that a run writes outside the folder of its images, and that only one process writes to a folder at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from doldrum.errors import InputError

__all__ = ["check_out_apart", "locked"]


def check_out_apart(source: str, out: Path, *, what: str = "images", flag: str = "--out") -> None:
    """Raise InputError if `out` is inside the folder `source`. In the message, `what` names the content of `source`."""
    if os.path.isdir(source) and out.resolve().is_relative_to(Path(source).resolve()):
        raise InputError(
            f"expected {flag} outside of {source}, which holds the {what}, got the path {out}; name another path"
        )


@contextmanager
def locked(path: str | Path, *, wait: bool = False, busy: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Lock a folder or a file while the block runs. A file that does not exist is made.

    If another process has the lock, InputError is raised. With `wait`, no error is raised: `busy` is called, and then
    the call waits until the lock is free. The operating system manages the lock, so a locked folder gets no extra file.
    The lock is released when the process ends for any reason. On Windows, which has no such locks, nothing is locked.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(folder):
    ...     with locked(folder):
    ...         pass
    Traceback (most recent call last):
    doldrum.errors.InputError: expected one run at a time in ..., got a second run; wait until the first run has ended, or name another folder
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    path = Path(path)
    handle = os.open(path, os.O_RDONLY) if path.is_dir() else os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if not wait:
                raise InputError(
                    f"expected one run at a time in {path}, got a second run; wait until the first run has ended, or name another folder"
                ) from error
            busy()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
