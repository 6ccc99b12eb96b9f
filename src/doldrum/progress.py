"""Progress on standard error, silent when it is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar", "waiting"]


@contextmanager
def progress_bar(description: str, total: int | None, *, show: bool = True) -> Iterator[Callable[[int], None]]:
    """A context that gives `advance(n)`; draws on standard error with the time left, or nothing when not a terminal.

    A `total` of None is unknown: the bar counts.

    >>> with progress_bar("measuring", 3, show=False) as advance:
    ...     advance(3)
    """
    if not (show and sys.stderr.isatty()):
        yield lambda n: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=total)
        yield lambda n: bar.advance(task, n)


@contextmanager
def waiting(description: str, *, show: bool = True) -> Iterator[None]:
    """Say on standard error what is being waited for, and for how long, while the block runs; nothing when not a terminal.

    For work whose steps can't be counted. No other progress may be shown inside.

    >>> with waiting("opening the model"):
    ...     pass
    """
    if not (show and sys.stderr.isatty()):
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        shown.add_task(description, total=None)
        yield
