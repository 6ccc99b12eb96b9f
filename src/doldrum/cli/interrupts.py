"""When Ctrl-C interrupts work that can be continued, say what is saved."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Interrupted", "kept"]


class Interrupted(Exception):
    """An interruption by Ctrl-C, with a text that says what is saved. This class is not derived from KeyboardInterrupt,
    because the argument parser catches each KeyboardInterrupt."""


@contextmanager
def kept(what: str, where: Path, *, there: Callable[[Path], bool] = Path.exists) -> Iterator[None]:
    """Run a block of work that can be continued. After Ctrl-C, if `there(where)` is true, the error message says that
    `what` is kept in the file or folder `where`.

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
