"""The class `ServeSettings`: the address at which the service listens, and the limits of the service."""

from __future__ import annotations

from dataclasses import dataclass, field

from doldrum.checks import is_number, whole_number
from doldrum.errors import InputError

__all__ = ["ServeSettings"]

_HERE = ("127.0.0.1", "::1", "localhost")
_SHORTEST = 16  # characters of a token: a shorter one is guessed


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Where the service listens, who may use it, and its limits.

    Parameters
    ----------
    host, port : str, int
        The address and port to listen at. Port 0 means any free port.
    secret : str, optional
        The token that clients send as `Authorization: Bearer …`. Without a token, only this machine can use the
        service, unless `without_token` is set.
    without_token : bool
        Answer all clients that can reach `host`, without a token.
    batch : int
        The largest number of images in one batch. No result depends on the batch size.
    wait : float
        Seconds that an image waits for other images to fill its batch.
    queue : int
        The largest number of accepted images without an answer. A request that would exceed this number is refused with
        the status 429.
    max_images, max_body, max_pixels : int
        Limits for the number of images in a request, the bytes of its body, and width x height of an image.
    receive_seconds, answer_seconds : float
        Time limits. The head and the body of a request must each arrive within `receive_seconds` (else 408). The answer
        must be ready within `answer_seconds` after the whole request has arrived (else 504).

        Raises InputError for a limit out of range, for a short secret, and for a host that other machines can reach
        without a secret.

    >>> ServeSettings(host="0.0.0.0")
    Traceback (most recent call last):
    doldrum.errors.InputError: expected a secret of at least 16 characters in the environment variable DOLDRUM_TOKEN to listen on 0.0.0.0, got none; set it, or pass without_token=True
    """

    host: str = "127.0.0.1"
    port: int = 8000
    secret: str | None = field(default=None, repr=False)
    without_token: bool = False
    batch: int = 32
    wait: float = 0.002
    queue: int = 256
    max_images: int = 64
    max_body: int = 16 << 20
    max_pixels: int = 1 << 25
    receive_seconds: float = 10.0
    answer_seconds: float = 30.0

    def __post_init__(self) -> None:
        whole_number(self.port, "port=", least=0, most=65_535, hint="e.g. 8000")
        for name in ("batch", "max_images", "max_body", "max_pixels"):
            whole_number(getattr(self, name), f"{name}=", least=1)
        whole_number(
            self.queue,
            "queue=",
            least=self.max_images,
            hint="the queue needs room for a request with max_images= images",
        )
        for name in ("receive_seconds", "answer_seconds"):
            if not is_number(value := getattr(self, name)) or value <= 0:
                raise InputError(
                    f"expected a number of seconds above 0 as {name}=, got {value!r}; pass a larger number"
                )
        if not is_number(self.wait) or not 0 <= self.wait < self.answer_seconds:
            raise InputError(
                f"expected wait= in seconds, at least 0 and below answer_seconds=, got {self.wait!r}; e.g. 0.002"
            )
        self._check_secret()

    def _check_secret(self) -> None:
        if self.secret is None:
            if self.host not in _HERE and not self.without_token:
                raise InputError(
                    f"expected a secret of at least {_SHORTEST} characters in the environment variable DOLDRUM_TOKEN to listen on "
                    f"{self.host}, got none; set it, or pass without_token=True"
                )
            return
        if self.without_token:
            raise InputError(
                "expected no secret with without_token=True, got a secret; leave out the secret or without_token="
            )
        if (
            len(self.secret) < _SHORTEST
            or not self.secret.isascii()
            or not self.secret.isprintable()
            or " " in self.secret
        ):
            raise InputError(
                f"expected at least {_SHORTEST} printable ASCII characters without spaces in DOLDRUM_TOKEN, got fewer, or other characters; make a token: "
                "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
