"""How much is under way, and whether more is taken."""

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
    """Images that are taken and not answered, bytes of bodies held, and what an image takes.

    An image is taken while there is room in the queue, and while those before it are expected to be answered within `answer_seconds`: what
    would wait longer is told so at once. The first of an empty queue is always taken.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self._queue, self._seconds = settings.queue, settings.answer_seconds
        self._most_held = _HELD * settings.max_body
        self.images, self._held, self._pace = 0, 0, 0.0

    def check(self, count: int = 1) -> None:
        """Refusal (429) where `count` more images aren't taken now."""
        late = self.images > 0 and (self.images + count) * self._pace > self._seconds
        if self.images + count > self._queue or late:
            raise self._full(
                f"expected at most {self._queue} images in the queue, got {self.images} that wait there already and {count} more"
            )

    @contextmanager
    def taken(self, count: int) -> Iterator[None]:
        """The images are under way while the block runs."""
        self.check(count)
        self.images += count
        try:
            yield
        finally:
            self.images -= count

    @contextmanager
    def body(self) -> Iterator[Body]:
        """A body is received, and held, while the block runs."""
        body = Body(self)
        try:
            yield body
        finally:
            self._held -= body.size

    def hold(self, size: int) -> None:
        """Refusal (429) where so many bytes more are too much to hold now."""
        if self._held + size > self._most_held:
            raise self._full(f"expected at most {self._most_held} bytes of requests at a time, got more")
        self._held += size

    def note_pace(self, seconds: float) -> None:
        """An image of the newest batch took so long."""
        self._pace = seconds if not self._pace else (1 - _NEWEST) * self._pace + _NEWEST * seconds

    @property
    def wait(self) -> int:
        """Seconds in which what is under way should be answered, at least 1: for Retry-After."""
        return min(_MOST_WAIT, max(1, math.ceil(self.images * self._pace)))

    def _full(self, why: str) -> Refusal:
        return Refusal(429, f"{why}; try again in {self.wait} s", {"Retry-After": str(self.wait)})


class Body:
    """Bytes of one body that are held."""

    def __init__(self, load: Load) -> None:
        self._load, self.size = load, 0

    def add(self, size: int) -> None:
        """Refusal (429) where so many more are too much to hold now."""
        self._load.hold(size)
        self.size += size
