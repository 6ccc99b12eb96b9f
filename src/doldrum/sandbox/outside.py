"""In a confined process: parts of its work are sent out, and answered by others."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from doldrum.sandbox.frames import BLOCK, MESSAGE, Frame, Request, read_frame, write_frame

__all__ = ["Outside"]

_MOST = 1 << 40  # bytes of an answer: who sends it started this process


class Outside:
    """Who started this process, and answers what it asks. `most` requests at a time are out, or answered and not looked at.

    Answers are read by a thread of their own: so the other side is never kept from reading by one that it can't write.
    """

    def __init__(self, channel: BinaryIO, *, most: int) -> None:
        self._channel, self._most = channel, most
        self.turn = threading.Lock()
        """Held while a frame is written, so that frames do not mix."""
        self._heard: queue.SimpleQueue[Frame] = queue.SimpleQueue()
        threading.Thread(target=self._hear, daemon=True).start()

    def tell(self, message: Any) -> None:
        """Send a message of progress."""
        self._write(MESSAGE, message)

    def ask(self, requests: Iterable[Request]) -> Iterator[Request]:
        """The answer to each request, in order. Requests are made by another thread; what that raises is raised here."""
        room, stopped, trouble = threading.Semaphore(self._most), threading.Event(), list[BaseException]()

        def send() -> None:
            try:
                for value, data in requests:
                    room.acquire()
                    if stopped.is_set():
                        break
                    self._write(BLOCK, value, data)
            except BaseException as error:
                trouble.append(error)
            self._write(BLOCK, None, b"")

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        over = False
        try:
            while True:
                frame = self._heard.get()
                if over := frame.value is None:
                    break
                yield frame.value, frame.data
                room.release()
        finally:
            stopped.set()
            room.release()
            while not over:  # the caller wants no more answers: what is under way is dropped
                over = self._heard.get().value is None
            sender.join()
        if trouble:
            raise trouble[0]

    def _write(self, kind: bytes, value: Any, data: Any = None) -> None:
        with self.turn:
            write_frame(self._channel, kind, value, data)

    def _hear(self) -> None:
        asked = os.fdopen(os.dup(0), "rb", buffering=1 << 20)
        while (frame := read_frame(asked, _MOST)) is not None:
            self._heard.put(frame)
        os._exit(0)  # nobody is there any more
