"""Middleware for every request: it limits the size and time of the body, and counts the answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from doldrum.serving.metrics import Metrics
from doldrum.serving.refusal import Refusal

__all__ = ["BoundedBody", "Counted"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

_LINGER = 1.0  # seconds that an answer waits for the rest of a body that it doesn't need


class BoundedBody:
    """Refuses a body above `most` bytes (status 413), and a body that is incomplete after `seconds` (status 408).

    If a request declares its length, a body that is too large is refused before it arrives. Some answers, such as
    refusals, are ready before the body is complete. If an answer is ready early, the server still reads and ignores the
    rest of the body for up to a second. If the server closed the connection at once, the connection could be reset
    before the client had read the answer. If the body is still incomplete after this waiting time, the connection is
    closed.
    """

    def __init__(self, app: App, *, most: int, seconds: float) -> None:
        self._app, self._most, self._seconds = app, most, seconds

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(dict(scope["headers"]), receive, most=self._most, seconds=self._seconds)

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and not await body.passed_over():
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await self._app(scope, body.receive, sent)


class _Body:
    def __init__(self, headers: dict[bytes, bytes], receive: Receive, *, most: int, seconds: float) -> None:
        self._receive, self._most, self._seconds = receive, most, seconds
        self._end = asyncio.get_running_loop().time() + seconds
        self._declared = int(headers.get(b"content-length", b"0"))
        self._waits_to_send = b"expect" in headers
        self._size, self._ended = 0, False

    async def receive(self) -> Message:
        if self._ended:
            return await self._receive()  # waits until the client leaves
        if self._declared > self._most:
            raise self._too_large(self._declared)
        self._waits_to_send = False
        try:
            async with asyncio.timeout_at(self._end):
                message = await self._receive()
        except TimeoutError:
            got = f"{self._size} bytes of its body" if self._size else "nothing of its body"
            raise Refusal(
                408, f"expected the whole request within {self._seconds:g} s, got {got}; send it faster"
            ) from None
        self._seen(message)
        if self._size > self._most:
            raise self._too_large(self._size)
        return message

    async def passed_over(self) -> bool:
        """Read and ignore the rest of the body, up to limits of time and bytes.

        Return whether the whole body has arrived.
        """
        if self._ended or self._waits_to_send:
            return self._ended
        most, now = self._size + self._most, asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(min(now + _LINGER, self._end)):
                while not self._ended and self._size <= most:
                    self._seen(await self._receive())
        except TimeoutError:
            pass
        return self._ended

    def _seen(self, message: Message) -> None:
        self._size += len(message.get("body", b""))
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)

    def _too_large(self, size: int) -> Refusal:
        return Refusal(
            413, f"expected a request of at most {self._most} bytes, got {size} or more; send fewer images at a time"
        )


class Counted:
    """Counts answers by path and status, and measures how long each answer takes, in seconds."""

    def __init__(self, app: App, *, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status, counted = time.perf_counter(), 500, False

        def count() -> None:
            nonlocal counted
            if not counted:
                counted = True
                self._metrics.answered(scope["path"], status, time.perf_counter() - start)

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body", False):
                count()  # before it is sent: a client that has the answer finds it counted
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            count()
