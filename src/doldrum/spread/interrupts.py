"""Ctrl-C, and what else ends a command in order, while workers are being started or ended."""

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
    """Act on a Ctrl-C (or a SIGTERM that has a handler) once this is left, and have processes that are started in here never see a Ctrl-C.

    A terminal sends Ctrl-C to all of its processes; it is for the one that started the others to act on. Two things are needed:

    - SIGINT is blocked in this thread, and a process that it starts inherits that.
    - It is not enough for this process: the system hands the signal to any other thread (a queue's, say), and Python then runs the
      handler in the main thread, which blocks it in vain. Raised between the start of a worker and the message that tells it
      what to do, it leaves the worker with half a message and a traceback. So the handler only takes note until the end.

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
