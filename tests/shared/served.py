"""A service that answers in this process, and clients of it: whole requests, and bytes as they are."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from doldrum.serving.server import Server, bound_socket
from doldrum.serving.service import Service
from doldrum.serving.settings import ServeSettings


@dataclass
class Answered:
    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class Served:
    service: Service
    server: Server
    thread: threading.Thread
    port: int

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answered:
        """One request on a connection of its own."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(client):
            client.request(method, path, body=body, headers=headers or {})
            return read(client.getresponse())

    def classify(self, files: Sequence[tuple[str, bytes]], headers: dict[str, str] | None = None) -> Answered:
        kind, body = form(files)
        return self.ask("POST", "/v1/classify", body, {"Content-Type": kind, **(headers or {})})

    def send(self, *parts: bytes, pause: float = 0.0, end: bool = False) -> Answered | None:
        """Bytes as they are, and what came back; None where the connection was closed without an answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
            try:
                for part in parts:
                    client.sendall(part)
                    time.sleep(pause)
            except (BrokenPipeError, ConnectionResetError):  # refused before all of it was sent
                pass
            if end:
                client.shutdown(socket.SHUT_WR)
            answer = http.client.HTTPResponse(client)
            try:
                answer.begin()
                return read(answer)
            except (http.client.BadStatusLine, ConnectionResetError):
                return None

    def metric(self, name: str, **labels: str) -> float:
        return self.service.metrics.registry.get_sample_value(name, labels) or 0.0


def read(answer: http.client.HTTPResponse) -> Answered:
    data = answer.read()
    told = {k.lower(): v for k, v in answer.getheaders()}
    return Answered(answer.status, json.loads(data) if data and "json" in told.get("content-type", "") else data, told)


def png(pixels: np.ndarray, format: str = "PNG") -> bytes:
    """uint8 (H, W) or (H, W, 3) as a file."""
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, format)
    return held.getvalue()


def form(files: Sequence[tuple[str, bytes]], *, field: str = "images", boundary: str = "b0undary") -> tuple[str, bytes]:
    """(content type, body) of a multipart form."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
        + data
        + b"\r\n"
        for name, data in files
    ]
    return f"multipart/form-data; boundary={boundary}", b"".join(parts) + f"--{boundary}--\r\n".encode()


@contextlib.contextmanager
def serving(
    guard: Any, *, class_names: Sequence[str] | None = None, watch: Path | None = None, **settings: Any
) -> Iterator[Served]:
    """A service in a thread, at a free port; it stops when the block ends."""
    service = Service(guard, ServeSettings(port=0, **settings), class_names=class_names, watch=watch)
    listening = threading.Event()
    server = Server(service, listening=listening.set)
    with bound_socket("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        thread = threading.Thread(target=server.run, args=([bound],))
        thread.start()
        try:
            assert listening.wait(20)
            yield Served(service, server, thread, port)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()
