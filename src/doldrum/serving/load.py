"""Counts the images in progress, and decides whether the service accepts more."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from doldrum.serving.refusal import Refusal
from doldrum.serving.settings import ServeSettings

__all__ = ["Load"]

_MOST_WAIT = 60  # seconds that a client is told to wait at most
_HELD = 16  # bodies of the largest size that are in memory together at most
_NEWEST = 0.2  # weight of the newest batch in what an image takes


class Load:
    """The load of the service: accepted images without an answer, bytes in memory, and the time per image.

    An image is accepted if there is room in the queue, and if the images before it should be answered within
    `answer_seconds`. If the queue is full or the answer would come too late, the image is refused at once. The first
    image of an empty queue is always accepted.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self._queue, self._seconds = settings.queue, settings.answer_seconds
        self._most_held = _HELD * settings.max_body
        self.images, self._held, self._pace = 0, 0, 0.0

    def check(self, count: int = 1) -> None:
        """Raise Refusal (429) if `count` more images cannot be accepted now."""
        late = self.images > 0 and (self.images + count) * self._pace > self._seconds
        if self.images + count > self._queue or late:
            raise self._full(
                f"expected at most {self._queue} images in the queue, got {self.images} waiting images and {count} new images"
            )

    @contextmanager
    def taken(self, count: int) -> Iterator[None]:
        """Count `count` images as in progress while the block runs."""
        self.check(count)
        self.images += count
        try:
            yield
        finally:
            self.images -= count

    @contextmanager
    def body(self) -> Iterator[Body]:
        """Count the bytes of a request's body while the block runs."""
        body = Body(self)
        try:
            yield body
        finally:
            self._held -= body.size

    def hold(self, size: int) -> None:
        """Count `size` more bytes of requests in memory. Raise Refusal (429) if `size` more bytes do not fit into
        memory now."""
        if self._held + size > self._most_held:
            raise self._full(f"expected at most {self._most_held} bytes in all open requests together, got more")
        self._held += size

    def note_pace(self, seconds: float) -> None:
        """Update the average time per image with the time of the newest batch."""
        self._pace = seconds if not self._pace else (1 - _NEWEST) * self._pace + _NEWEST * seconds

    @property
    def wait(self) -> int:
        """The time in which all images in progress should be answered, for the header Retry-After: at least 1
        second."""
        return min(_MOST_WAIT, max(1, math.ceil(self.images * self._pace)))

    def _full(self, why: str) -> Refusal:
        return Refusal(429, f"{why}; try again in {self.wait} s", {"Retry-After": str(self.wait)})


class Body:
    """The bytes of one request's body that are in memory."""

    def __init__(self, load: Load) -> None:
        self._load, self.size = load, 0

    def add(self, size: int) -> None:
        """Count `size` more bytes of this request's body. Raises Refusal (429) if `size` more bytes do not fit into
        memory now."""
        self._load.hold(size)
        self.size += size
