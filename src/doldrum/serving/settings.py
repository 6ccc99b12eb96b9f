"""ServeSettings: where the service listens, and the bounds that it keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

from doldrum.checks import is_number, whole_number
from doldrum.errors import InputError

__all__ = ["ServeSettings"]

_HERE = ("127.0.0.1", "::1", "localhost")
_SHORTEST = 16  # characters of a token: a shorter one is guessed


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Where the service listens, who may ask, and its bounds.

    Parameters
    ----------
    host, port : str, int
        Port 0 is any that is free.
    secret : str, optional
        What `Authorization: Bearer …` must say; without one only this machine may ask, unless `without_token`.
    without_token : bool
        Answer anyone who reaches `host`.
    batch : int
        Images that are judged together, at most; no answer depends on it.
    wait : float
        Seconds that an image waits for others to share its batch.
    queue : int
        Images that are taken and not answered yet, at most; beyond it the answer is 429.
    max_images, max_body, max_pixels : int
        Images of one request; bytes of its body; width x height of one image.
    receive_seconds, answer_seconds : float
        For a request to arrive (408), counted for its head and for its body; and for its answer after that (504).

    Raises InputError for a bound out of range, a short secret, and a host beyond this machine without a secret.

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
        whole_number(self.queue, "queue=", least=self.max_images, hint="a request with max_images= images has to fit")
        for name in ("receive_seconds", "answer_seconds"):
            if not is_number(value := getattr(self, name)) or value <= 0:
                raise InputError(f"expected seconds above 0 as {name}=, got {value!r}; pass some")
        if not is_number(self.wait) or not 0 <= self.wait < self.answer_seconds:
            raise InputError(f"expected seconds from 0 as wait=, below answer_seconds=, got {self.wait!r}; e.g. 0.002")
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
            raise InputError("expected no secret with without_token=True, got one; leave either out")
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
