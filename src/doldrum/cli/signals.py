"""Handle SIGTERM and SIGHUP, which `kill`, `timeout`, a batch system or a closed terminal send: clean up and end, as after Ctrl-C."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Ended", "heeded_signals"]

_NAMES = ("SIGTERM", "SIGHUP")  # the second is not on Windows
_TWICE = 1.0  # seconds: `timeout` sends it to a process and again to its group


class Ended:
    """Remembers which of the handled signals was received. `by` is None if no signal was received."""

    def __init__(self) -> None:
        self.by: signal.Signals | None = None
        self._when = float("-inf")

    def heed(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt, so that the same cleanup runs as after Ctrl-C."""
        again, self._when = time.monotonic() - self._when < _TWICE, time.monotonic()
        self.by = signal.Signals(number)
        if not again:
            raise KeyboardInterrupt


@contextmanager
def heeded_signals() -> Iterator[Ended]:
    """While the block runs, SIGTERM and SIGHUP raise KeyboardInterrupt. A signal that is ignored (`nohup`) stays ignored."""
    ended, before = Ended(), {}
    if threading.current_thread() is threading.main_thread():  # only it may change handlers
        for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
            if signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, ended.heed)
    try:
        yield ended
    finally:
        for (
            number,
            handler,
        ) in before.items():  # once it came, nothing cuts short what is tidied away while the process ends
            signal.signal(number, handler if ended.by is None else signal.SIG_IGN)
