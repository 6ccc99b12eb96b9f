"""Dynamic batching: images that arrive at about the same time are judged together."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Batcher"]

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[Item, Result]):
    item: Item
    answer: asyncio.Future[Result]
    since: float


class Batcher(Generic[Item, Result]):
    """Judges items in batches: `await batcher(item)` returns the result of `judge` for the item.

    A batch has at most `most` items. If no batch is being judged, the next batch starts at most `wait` seconds after
    its first item arrived. `judge` gets a list of items in their order of arrival, and returns one result per item. The
    function `judge` is called in `thread`, for one batch at a time. Items that arrive while a batch is being judged
    have to wait. The batcher works while `run` is running. A cancelled item leaves the queue.
    """

    def __init__(
        self, judge: Callable[[list[Item]], Sequence[Result]], *, most: int, wait: float, thread: Executor
    ) -> None:
        self._judge, self._most, self._wait, self._thread = judge, most, wait, thread
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._came = asyncio.Event()

    async def __call__(self, item: Item) -> Result:
        loop = asyncio.get_running_loop()
        waiting = _Waiting[Item, Result](item, loop.create_future(), loop.time())
        self._queue.append(waiting)
        self._came.set()
        try:
            return await waiting.answer
        finally:
            with contextlib.suppress(ValueError):  # it has begun
                self._queue.remove(waiting)

    async def run(self) -> None:
        """Judge one batch after the other until this task is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._filled(loop)
            batch = [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]
            if not batch:  # all who waited have left
                continue
            try:
                results = await loop.run_in_executor(self._thread, self._judge, [one.item for one in batch])
                answers = list(zip(batch, results, strict=True))
            except Exception as error:
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(error)
                continue
            for one, result in answers:
                if not one.answer.done():
                    one.answer.set_result(result)

    async def _filled(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for a first item, and then for a full batch, but at most `wait` seconds after the first item arrived."""
        while not self._queue:
            self._came.clear()
            await self._came.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._queue[0].since + self._wait):
                while len(self._queue) < self._most:
                    self._came.clear()
                    await self._came.wait()
