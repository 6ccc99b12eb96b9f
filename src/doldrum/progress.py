"""Show progress on a terminal (on standard error) or below the cell of a notebook, and nowhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from html import escape
from typing import Any

__all__ = ["progress_bar", "waiting"]

_EVERY = 0.2  # seconds between two updates of a notebook


@contextmanager
def progress_bar(description: str, total: int | None, *, show: bool = True) -> Iterator[Callable[[int], None]]:
    """A context that returns `advance(n)`. On a terminal or in a notebook, a bar with the time left is shown, and
    elsewhere nothing.

    If `total` is None, the bar shows only a count.

    >>> with progress_bar("measuring", 3, show=False) as advance:
    ...     advance(3)
    """
    if show and _in_notebook():
        with _below_cell(description, total) as advance:
            yield advance
        return
    if not (show and sys.stderr.isatty()):
        yield lambda n: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    # The spinner shows, before the first of many long steps is done, that something goes on.
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=_console(), transient=True) as bar:
        task = bar.add_task(description, total=total)
        yield lambda n: bar.advance(task, n)


@contextmanager
def waiting(description: str, *, show: bool = True) -> Iterator[None]:
    """Show a description while the block runs, on a terminal or in a notebook. A terminal also shows the time since the
    start.

    Use `waiting` for work whose steps can't be counted.

    >>> with waiting("opening the model"):
    ...     pass
    """
    if show and _in_notebook():
        with _below_cell(description, None):
            yield
        return
    if not (show and sys.stderr.isatty()):
        yield
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=_console(), transient=True) as shown:
        shown.add_task(description, total=None)
        yield


@cache
def _console() -> Any:
    """One console for all bars, so that a bar inside another is shown below it."""
    from rich.console import Console

    return Console(stderr=True)


def _in_notebook() -> bool:
    """Whether the code runs in the kernel of a notebook (Jupyter, VS Code, Colab), which has no terminal."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None


@contextmanager
def _below_cell(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """An HTML progress bar below the notebook's cell, which disappears at the end. The bars of rich and tqdm would need
    ipywidgets."""
    from IPython.display import HTML, display

    begun, done = time.monotonic(), 0
    last = begun
    shown: Any = display(HTML(_bar(description, 0, total, 0.0)), display_id=True)

    def advance(n: int) -> None:
        nonlocal done, last
        done += n
        now = time.monotonic()
        if now - last >= _EVERY:
            last = now
            shown.update(HTML(_bar(description, done, total, now - begun)))

    try:
        yield advance
    finally:
        shown.update(HTML(""))


def _bar(description: str, done: int, total: int | None, seconds: float) -> str:
    """The HTML of a progress bar: the number of finished steps, and the time left if each remaining step takes as long
    as a finished step.

    >>> _bar("scanning", 50, 200, 10.0)
    'scanning <progress value="50" max="200"></progress> 50/200, 0:30 left'
    """
    if total is None:
        return f"{escape(description)} <progress></progress>" + (f" {done:,}" if done else "")
    text = f'{escape(description)} <progress value="{done}" max="{total}"></progress> {done:,}/{total:,}'
    if not done:
        return text
    left = round(seconds * max(total - done, 0) / done)
    return f"{text}, {left // 60}:{left % 60:02d} left"
