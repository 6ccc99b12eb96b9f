"""Ctrl-C where something is kept: the one place that says so, and only where it is true."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Interrupted", "kept"]


class Interrupted(Exception):
    """An interrupt. Its text says what is kept. No KeyboardInterrupt: the argument parser takes those for itself."""


@contextmanager
def kept(what: str, where: Path, *, there: Callable[[Path], bool] = Path.exists) -> Iterator[None]:
    """Around work that can be continued: Ctrl-C says that `what` is kept, if `where` is `there` then.

    >>> with kept("whole epochs", Path("out.resume"), there=lambda path: True):
    ...     raise KeyboardInterrupt
    Traceback (most recent call last):
    ...
    doldrum.cli.interrupts.Interrupted: whole epochs are kept in out.resume; run the same command again to continue
    """
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would only print a traceback
        if not there(where):
            raise
        raise Interrupted(f"{what} are kept in {where}; run the same command again to continue") from None
