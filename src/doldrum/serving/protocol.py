"""uvicorn's HTTP protocol, with limits for the time and size of a request's head and for the number of connections."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from doldrum.intake import visible

__all__ = ["MOST_HEAD", "bounded_protocol"]

MOST_HEAD = 16_384  # bytes of a request's line and headers
_BLANK_LINE = re.compile(rb"\n\r?\n")  # as h11 finds the end of a head


def bounded_protocol(seconds: float, refused: Callable[[int], None], *, most: int) -> type[H11Protocol]:
    """A protocol for `uvicorn.Config(http=…)` that limits the heads of requests and the number of connections.

    A head is a request's line and headers. A head that is incomplete after `seconds` gets the status 408, and a head
    above `MOST_HEAD` bytes gets 431. The server library uvicorn does not limit how long the head or the body of a
    request may take to arrive: its only timer restarts with every byte. If the protocol refuses a request and does not
    pass it to the application, `refused` is called with the status. The application must limit the time that a
    request's body takes to arrive.

    `most` is the largest number of connections. When this number is reached, the connection that has waited longest
    for its next request is closed. If no connection is waiting for a request, a request on a new connection gets the
    status 503.
    """

    class Bounded(H11Protocol):
        _late: asyncio.TimerHandle | None = None
        _idle_since: float | None = None  # its last answer, where nothing has come since

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.app = self._answer
            self._make_room()
            self._look()

        def data_received(self, data: bytes) -> None:
            self._idle_since = None
            self._make_room()
            super().data_received(data)
            self._look()

        def handle_events(self) -> None:
            # h11 bounds a head that isn't whole; one of any size that comes at once it would take.
            start = self._head()[: MOST_HEAD + 1]
            if len(start) > MOST_HEAD and not _BLANK_LINE.search(start):
                self._refuse(
                    431, f"expected a request's head of at most {MOST_HEAD} bytes, got more; send fewer headers"
                )
                return
            super().handle_events()

        def on_response_complete(self) -> None:
            self._idle_since = self.loop.time()
            super().on_response_complete()  # which may begin with a request that came meanwhile
            if self.conn.their_state is not h11.IDLE or self._head():
                self._idle_since = None
            self._look()

        def connection_lost(self, exc: Exception | None) -> None:
            self._no_longer()
            super().connection_lost(exc)

        async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
            """Pass the request to the application, or refuse it with the status 503 if there are too many connections.

            If the server stops without waiting for this answer, cut the connection.
            """
            try:
                if len(self.connections) >= most or len(self.tasks) > most:
                    self._refuse(
                        503, f"expected fewer than {most} connections at a time, got more; try again in 1 s", 1
                    )
                    self.cycle.disconnected = True
                    return
                await self.config.loaded_app(scope, receive, send)
            except asyncio.CancelledError:
                self.cycle.disconnected = True
                self.transport.abort()

        def _make_room(self) -> None:
            """Close idle connections so that a new one can be accepted.

            Clients of idle connections can connect again, and lose no answer.
            """
            while len(self.connections) >= most:
                idle = [one for one in self.connections if isinstance(one, Bounded) and one._idle_since is not None]
                if not idle:
                    return
                oldest = min(idle, key=lambda one: one._idle_since or 0.0)
                self.connections.discard(oldest)
                oldest.timeout_keep_alive_handler()

        def timeout_keep_alive_handler(self) -> None:
            """Close the connection.

            If the client has not read the whole answer, cut the connection, because sending the rest of the answer
            could take for ever.
            """
            if self.transport.get_write_buffer_size():
                self.transport.abort()
            else:
                super().timeout_keep_alive_handler()

        def _look(self) -> None:
            """Start or stop the timer for the head of a request. The timer runs until a new connection has sent its
            first head, and while a later head is incomplete."""
            first = self.cycle is None and self.conn.their_state is h11.IDLE
            if self.transport.is_closing() or not (first or self._head()):
                self._no_longer()
            elif self._late is None:
                self._late = self.loop.call_later(seconds, self._too_late)

        def _head(self) -> bytes:
            """The bytes that have arrived of a request's head, if the head is still incomplete."""
            return self.conn.trailing_data[0] if self.conn.their_state is h11.IDLE else b""

        def _no_longer(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def _too_late(self) -> None:
            if not self.transport.is_closing():
                got = "a part" if self._head() else "nothing"
                self._refuse(408, f"expected a request's head within {seconds:g} s, got {got}; send it faster")

        def send_400_response(self, msg: str) -> None:
            """Refuse a request that h11 could not read."""
            error = sys.exception()
            self._refuse(
                getattr(error, "error_status_hint", 400),
                f"expected a request in HTTP/1.1 with a head of at most {MOST_HEAD} bytes, got a request that cannot be read "
                f"({visible(str(error), most=200)}); correct it",
            )

        def _refuse(self, status: int, why: str, wait: int | None = None) -> None:
            if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # an answer has begun: it can't be taken back
                self.transport.close()
                return
            refused(status)
            body = json.dumps({"detail": why}).encode()
            headers = [
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("connection", "close"),
            ]
            if wait is not None:
                headers.append(("retry-after", str(wait)))
            answer = h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode())
            for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
            self.transport.close()

    return Bounded
