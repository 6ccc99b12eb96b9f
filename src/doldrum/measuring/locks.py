"""One process a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from doldrum.errors import InputError

__all__ = ["locked"]


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Hold `folder` while the block runs; InputError when another process holds it.

    The lock is the operating system's and on the folder itself: it leaves no file behind, and goes with the process that
    holds it, however that ends. Where the system has none of the kind (Windows), nothing is held.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(folder):
    ...     with locked(folder):
    ...         pass
    Traceback (most recent call last):
    doldrum.errors.InputError: expected a folder that no other run writes to, got ...
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"expected a folder that no other run writes to, got {folder}, which one does; "
                "wait for it or name another with --out"
            ) from error
        yield
    finally:
        os.close(handle)
