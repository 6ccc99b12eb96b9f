"""A model behind HTTP on this machine, which takes images as .npy and answers labels; it can stop answering, or answer something else."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np


class LabelsServer(ThreadingHTTPServer):
    """`images` counts those that were answered; after `left` requests it is busy for ever; `page` is answered in place of labels."""

    daemon_threads = True

    def __init__(self, model: Callable[[np.ndarray], np.ndarray]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model, self.left, self.images, self.page = model, 10_000, 0, b""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: LabelsServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.left -= 1
        if self.server.left < 0:
            return self.answer(503, b"")
        pixels = np.load(io.BytesIO(body))
        self.server.images += len(pixels)
        return self.answer(200, self.server.page or json.dumps({"labels": self.server.model(pixels).tolist()}).encode())

    def answer(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextlib.contextmanager
def labels_server(model: Callable[[np.ndarray], np.ndarray]) -> Iterator[LabelsServer]:
    """The server, while the block runs."""
    made = LabelsServer(model)
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()
