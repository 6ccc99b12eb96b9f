"""In a confined process: send out parts of the work as requests, which the parent process answers."""

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
    """The connection to the parent process, which answers requests. `most` is the largest number of requests that may
    be open at a time. A request is open until its answer is used.

    A separate thread reads the answers. So the parent never has to wait until its answers are read, and continues to
    read requests.
    """

    def __init__(self, channel: BinaryIO, *, most: int) -> None:
        self._channel, self._most = channel, most
        self.turn = threading.Lock()
        """The thread that writes a frame holds this lock, so that two frames never mix."""
        self._heard: queue.SimpleQueue[Frame] = queue.SimpleQueue()
        threading.Thread(target=self._hear, daemon=True).start()

    def tell(self, message: Any) -> None:
        """Send a progress message."""
        self._write(MESSAGE, message)

    def ask(self, requests: Iterable[Request]) -> Iterator[Request]:
        """Yield the answer to each request, in order. A separate thread reads the iterable `requests` and sends each
        request. If this thread raises an error, `ask` raises the same error."""
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
