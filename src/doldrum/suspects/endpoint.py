"""A model at an HTTP address: send images, and receive labels or scores. Nothing in the server's answer is trusted."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import os
import ssl
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_number, whole_number
from doldrum.classifiers.base import Classifier, Outputs
from doldrum.errors import ClassifierError, EndpointError, InputError
from doldrum.intake import visible

__all__ = ["Endpoint", "EndpointClassifier"]

_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_LONGEST_WAIT = 60.0
_MOST_REPLY = 16 << 20
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """How to send requests to a model at an address.

    A request is a POST. With body "png", the request is JSON, `{"images": [base64 of a PNG, ...]}`: pixels are clipped to [0, 1] and rounded to
    8 bits, like those of any uploaded image. With body "npy", the request is one float32 array (B, C, H, W) in NumPy's format, without rounding. The
    answer is JSON: `{"labels": [class number, ...]}` or `{"scores": [[one score per class], ...]}`.

    Parameters
    ----------
    url : str
        http:// or https://, without a user or password.
    batch : int
        Images per request.
    timeout : float
        Seconds for one request, from connecting to the last byte.
    retries : int
        The number of retries after no answer, or after the status 408, 425, 429, 500, 502, 503 or 504. The time before
        a retry is the time in the answer's header `Retry-After`. Without this header, the wait starts at half a second
        and doubles with each retry. Each wait is at most a minute.
    per_second : float or None
        The largest number of requests per second.
    budget : int or None
        The largest number of images to send, including retries. Sending an image beyond this limit raises InputError. In ModelSettings, this
        limit is `endpoint_queries`.
    token : str or None
        The name of the environment variable that holds the endpoint's secret. The secret is sent as `Authorization:
        Bearer ...`, but only over TLS or if the endpoint is on this machine.

    Raises InputError for an impossible address or limit.

    >>> Endpoint(url="http://localhost:8000/predict").batch
    16
    """

    url: str
    body: Literal["png", "npy"] = "png"
    batch: int = 16
    timeout: float = 30.0
    retries: int = 4
    per_second: float | None = None
    budget: int | None = None
    token: str | None = None

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            fine = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
        except ValueError:
            fine, parts = False, urlsplit("")
        if not fine or not self.url.isprintable() or " " in self.url:
            raise InputError(
                "expected an address http://HOST/PATH or https://HOST/PATH, got a text of another form; check it"
            )
        if parts.username or parts.password:
            raise InputError(
                "expected an address without a password, got an address with one; name an environment variable as token="
            )
        if self.body not in ("png", "npy"):
            raise InputError(f"expected body= to be 'png' or 'npy', got {visible(repr(self.body))}; name one of these")
        whole_number(self.batch, "batch=", least=1, most=4096)
        whole_number(self.retries, "retries=", least=0, most=20)
        for name in ("timeout", "per_second"):
            value: float | None = getattr(self, name)
            if value is None and name == "per_second":
                continue
            if value is None or not (is_number(value) and value > 0):
                raise InputError(f"expected a positive number as {name}=, got {value!r}; pass a positive number")
        if self.budget is not None:
            whole_number(self.budget, "budget=", least=1)
        if self.token is not None:
            if not os.environ.get(self.token):
                raise InputError(
                    f"expected a secret in the environment variable {visible(self.token)}, got none; set this variable"
                )
            if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
                raise InputError("expected https for an address that gets a secret, got http; use https")


class EndpointClassifier(Classifier):
    """A classifier that sends images to an `Endpoint`. `queries` counts the images sent, and `requests` the requests, including retries.

    Raises ClassifierError for an invalid answer: an error status, a redirect to another host, an answer that is too long or not JSON, or a
    wrong number of rows.
    """

    costly = True
    no_gradients = (
        "a model at an address, which gives only scores or labels",
        "use methods that need only scores or labels",
    )

    def __init__(
        self, endpoint: Endpoint, *, input_shape: tuple[int, int, int], num_classes: int, outputs: Outputs
    ) -> None:
        super().__init__(input_shape=input_shape, num_classes=num_classes, outputs=outputs)
        self.endpoint = endpoint
        self.queries = self.requests = 0
        self._next = 0.0

    @property
    def fingerprint(self) -> str:
        """The host, and a hash of the address, since the model itself can't be read."""
        digest = hashlib.sha256(self.endpoint.url.encode()).hexdigest()[:16]
        return f"endpoint:{self.host}:{digest}"

    @property
    def host(self) -> str:
        """The host of the address, for messages. The address itself may contain a secret."""
        return urlsplit(self.endpoint.url).hostname or "an address without a host"

    @property
    def queries_left(self) -> int | None:
        budget = self.endpoint.budget
        return None if budget is None else max(0, budget - self.queries)

    def forward(self, images: NDArray[np.float32]) -> Any:
        step = self.endpoint.batch
        parts = [self._ask(images[start : start + step]) for start in range(0, len(images), step)]
        if not parts:
            return np.zeros((0,) if self.outputs == "labels" else (0, self.num_classes), np.float32)
        return np.concatenate(parts)

    def _ask(self, images: NDArray[np.float32]) -> NDArray[Any]:
        body, kind = _encoded(images, self.endpoint.body)
        status: int | str = "none"
        for attempt in range(self.endpoint.retries + 1):
            self._spend(len(images))
            try:
                status, wait, data = self._post(self.endpoint.url, body, kind)
            except (OSError, HTTPException) as error:
                status, wait, data = type(error).__name__, None, b""
            if status == 200:
                return self._read(data, len(images))
            if isinstance(status, int) and status not in _AGAIN:
                raise ClassifierError(
                    f"expected an answer of status 200, got {status} from {self.host}; check the address"
                )
            if attempt < self.endpoint.retries:
                time.sleep(min(_LONGEST_WAIT, wait if wait is not None else 0.5 * 2**attempt))
        tries = "1 try" if not self.endpoint.retries else f"{self.endpoint.retries + 1} tries"
        raise EndpointError(f"expected an answer within {tries}, got {status} from {self.host}; try later")

    def _spend(self, count: int) -> None:
        left = self.queries_left
        if left is not None and count > left:
            raise InputError(
                f"expected at most {self.endpoint.budget:,} images to send to the endpoint in this run, retries included, got more; "
                "pass a larger endpoint_queries=, or send fewer images"
            )
        if self.endpoint.per_second is not None:
            time.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + 1 / self.endpoint.per_second
        self.queries += count
        self.requests += 1

    def _post(self, url: str, body: bytes, kind: str) -> tuple[int, float | None, bytes]:
        """Send one request, and return the status, the seconds to wait, and the body.

        At most three redirects are followed, only within the same host and with status 307 or 308.
        """
        end = time.monotonic() + self.endpoint.timeout
        first = urlsplit(url)
        headers = {"Content-Type": kind, "Accept": "application/json", "User-Agent": "doldrum", "Connection": "close"}
        if self.endpoint.token is not None:
            headers["Authorization"] = f"Bearer {os.environ.get(self.endpoint.token, '')}"
        for _ in range(4):
            parts = urlsplit(url)
            secure = {"context": ssl.create_default_context()} if parts.scheme == "https" else {}
            make: Any = HTTPSConnection if secure else HTTPConnection
            connection = make(parts.hostname, parts.port, timeout=max(0.01, end - time.monotonic()), **secure)
            response: HTTPResponse | None = None
            try:
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("POST", target, body=body, headers=headers)
                response = connection.getresponse()
                assert response is not None
                if response.status in (301, 302, 303, 307, 308):
                    url = _next_url(url, first, response)
                    continue
                data = _capped(response, connection, end) if response.status == 200 else b""
                return response.status, _seconds(response.headers.get("Retry-After")), data
            finally:
                if response is not None:
                    response.close()  # it holds the socket after the connection let go of it
                connection.close()
        raise ClassifierError(f"expected an answer, got a chain of redirects from {self.host}; pass the address itself")

    def _read(self, data: bytes, count: int) -> NDArray[Any]:
        def bad(got: str) -> ClassifierError:
            return ClassifierError(
                f"expected JSON with the field {wanted!r} for {count} images, got {got} from the host {self.host}; check the address, outputs= and num_classes="
            )

        wanted = "labels" if self.outputs == "labels" else "scores"
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as error:
            page = data.lstrip()[:1] == b"<"
            raise bad("a web page (HTML or XML)" if page else "no JSON") from error
        rows = found.get(wanted) if isinstance(found, dict) else None
        if not isinstance(rows, list):
            raise bad("an answer without it")
        width = self.num_classes
        if len(rows) != count or (wanted == "scores" and any(not isinstance(r, list) or len(r) != width for r in rows)):
            raise bad(f"a wrong number of rows, or rows without {width} scores each")
        flat = rows if wanted == "labels" else [value for row in rows for value in row]
        kinds = int if wanted == "labels" else (int, float)
        if not all(isinstance(value, kinds) and not isinstance(value, bool) for value in flat):
            raise bad("values that are no numbers")
        if wanted == "labels" and not all(0 <= value < self.num_classes for value in flat):
            raise bad(f"a label outside 0 to {self.num_classes - 1}")
        try:
            return np.array(rows, dtype=np.int64 if wanted == "labels" else np.float32)
        except OverflowError as error:
            raise bad("numbers too large") from error


def _encoded(images: NDArray[np.float32], body: str) -> tuple[bytes, str]:
    if body == "npy":
        stream = io.BytesIO()
        np.save(stream, np.ascontiguousarray(images, np.float32), allow_pickle=False)
        return stream.getvalue(), "application/x-npy"
    from PIL import Image

    texts = []
    for image in np.rint(np.clip(np.nan_to_num(images), 0, 1) * 255).astype(np.uint8):
        stream = io.BytesIO()
        picture = Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))
        picture.save(stream, "PNG")
        texts.append(base64.b64encode(stream.getvalue()).decode())
    return json.dumps({"images": texts}).encode(), "application/json"


def _next_url(url: str, first: Any, response: HTTPResponse) -> str:
    """The address to which a redirect leads. Raises ClassifierError for a redirect to another host, which must not get the secret, or for a redirect that drops the images."""
    try:
        target = urljoin(url, response.headers.get("Location", ""))
        parts = urlsplit(target)
        same = (parts.scheme, parts.hostname, parts.port) == (first.scheme, first.hostname, first.port)
    except ValueError:
        same, target = False, ""
    if not same or response.status not in (307, 308):
        raise ClassifierError(
            f"expected an answer from the host {visible(str(first.hostname))}, got a redirect ({response.status}) that leads to another host or "
            "drops the images; pass the address to which the redirect leads if you trust that address"
        )
    return target


def _capped(response: HTTPResponse, connection: HTTPConnection, end: float) -> bytes:
    parts, total = [], 0
    while True:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if connection.sock is not None:
            connection.sock.settimeout(left)
        part = response.read1(1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)
        total += len(part)
        if total > _MOST_REPLY:
            raise ClassifierError(
                f"expected an answer of at most {_MOST_REPLY >> 20} MiB, got more; do not trust the endpoint"
            )


def _seconds(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return min(_LONGEST_WAIT, max(0.0, value)) if math.isfinite(value) else None
