"""Delays Ctrl-C and SIGTERM while workers are being started or ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["interrupts_held"]


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Delay Ctrl-C (and SIGTERM, if it has a handler) until the block ends.

    Processes started in the block ignore Ctrl-C.

    A terminal sends Ctrl-C to all processes that run in the terminal. But only the main process, which started the
    workers, should react to Ctrl-C. This needs two steps:

    - SIGINT is blocked in this thread. Processes that the thread starts inherit the blocked signal.
    - For the main process, blocking SIGINT in one thread is not enough. The system may deliver the signal to another
      thread (for example a queue's thread), but Python still runs the handler in the main thread. If the handler raised
      an error while the work is being sent to a new worker, the worker would get half a message. So the handler only
      records the signal until the end of the block.

    >>> before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may ignore it
    >>> reached = False
    >>> try:
    ...     with interrupts_held():
    ...         signal.raise_signal(signal.SIGINT)
    ...         reached = True
    ... except KeyboardInterrupt:
    ...     print("interrupted at the end:", reached)
    interrupted at the end: True
    >>> _ = signal.signal(signal.SIGINT, before)
    """
    held: list[tuple[int, FrameType | None]] = []
    before: dict[int, Callable[[int, FrameType | None], Any]] = {}
    # Only the main thread runs handlers, and may change them; an ignored signal, or a handler of C's, stays what it is.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(handler := signal.getsignal(number)):
                before[number] = handler
                signal.signal(number, lambda number, frame: held.append((number, frame)))
    able = hasattr(signal, "pthread_sigmask")  # not on Windows
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if able else set()
    try:
        yield
    finally:
        if able:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)  # what waited comes now, and is noted
        for number, handler in before.items():
            signal.signal(number, handler)
        if held:
            before[held[0][0]](*held[0])
