"""The HTTP server. On SIGTERM, the server answers all accepted requests before it ends."""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from doldrum.errors import InputError
from doldrum.serving.app import make_app
from doldrum.serving.protocol import MOST_HEAD, bounded_protocol
from doldrum.serving.service import Service

__all__ = ["Server", "bound_socket"]

_CONNECTIONS = 512  # at a time, or more where the queue is longer
_IDLE = 75  # seconds that a connection without a request stays open: longer than clients and proxies keep one, or both would close it at once
_SPARE = 5  # seconds beyond those of a request for a stop to end
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that is bound to the address, but does not listen yet.

    Raises InputError, before any work starts, if the address is not available.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
        except BaseException:
            made.close()
            raise
    except OSError as error:
        raise InputError(
            f"expected host= and port= that are free here, got {host}:{port} ({error}); name another host or port"
        ) from error
    return made


class Server(uvicorn.Server):
    """Serves a `Service` over HTTP. `run()` returns after a graceful stop by SIGTERM, SIGINT or `should_exit`.

    To start a server, call `Server(Service(Guard(model, detector), ServeSettings(port=8000))).run()`. A service can be
    run only once. `listening` is called as soon as the server answers requests. `stopped_by` is the signal that stopped
    the server, or None. Nothing from a request is logged.
    """

    def __init__(self, service: Service, *, listening: Callable[[], None] = lambda: None) -> None:
        settings, self._service, self._listening = service.settings, service, listening
        self.stopped_by: int | None = None
        # Malformed forms and requests are answered, and counted: a line each would be a way to fill a disk.
        for name in ("python_multipart", "python_multipart.multipart"):
            logging.getLogger(name).setLevel(logging.ERROR)
        options: dict[str, Any] = {
            "loop": "asyncio",
            "http": bounded_protocol(
                settings.receive_seconds,
                lambda status: service.metrics.answered("other", status),
                most=max(_CONNECTIONS, 2 * settings.queue),
            ),
            "ws": "none",
            "lifespan": "on",
            "log_level": "error",
            "access_log": False,
            "server_header": False,
            "proxy_headers": False,
            "timeout_keep_alive": _IDLE,
            "timeout_graceful_shutdown": math.ceil(settings.receive_seconds + settings.answer_seconds) + _SPARE,
            "h11_max_incomplete_event_size": MOST_HEAD,
        }
        super().__init__(uvicorn.Config(make_app(service), **options))

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer requests until the server is stopped.

        The server listens at the settings' address, or at a given socket from `bound_socket`. Raises InputError if the
        service was run before, or if the address is not available.
        """
        if self._service.begun:
            raise InputError(
                "expected a service that was not run before, got a service that was run already; make a new Service and a new Server"
            )
        settings = self._service.settings
        super().run(sockets or [bound_socket(settings.host, settings.port)])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and call `listening`."""
        await super().startup(sockets)
        self._listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer all accepted requests, and end. After a second Ctrl-C, cut the connections and end."""
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn would leave both to the event loop's end, which says so in pages
            for task in self.server_state.tasks:
                task.cancel()
            await self.lifespan.shutdown()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals while the server runs.

        The method of uvicorn raises the received signal a second time at the end. The repeated signal would make a
        graceful stop look as if the signal had killed the process.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Accept no more requests. A second Ctrl-C ends the server at once."""
        self.stopped_by, self._service.ready = sig, False
        super().handle_exit(sig, frame)
