"""RemoteSettings: how a model behind an address is asked, and what of its address may be shown."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from doldrum.errors import InputError

if TYPE_CHECKING:
    from doldrum.suspects import Endpoint

__all__ = ["RemoteSettings", "endpoint_of", "is_address", "kept_address", "shown_address"]

_PREFIX = "endpoint_"


def is_address(model: str) -> bool:
    """Whether a model is asked over the network."""
    return model.startswith(("https://", "http://"))


def shown_address(url: str) -> str:
    """The address without what may be a secret in it.

    >>> shown_address("https://host/predict?key=abc"), shown_address("https://host/predict")
    ('https://host/predict?…', 'https://host/predict')
    """
    bare = url.partition("#")[0].partition("?")[0]
    return bare if bare == url else f"{bare}?…"


def kept_address(url: str) -> str:
    """What a run's folder recognises its address by: shown, with a hash of the whole."""
    return f"{shown_address(url)} sha256:{hashlib.sha256(url.encode()).hexdigest()[:32]}"


def endpoint_of(job: dict[str, Any]) -> Endpoint:
    """The `Endpoint` that settings as a dictionary describe; InputError for an address or a bound that can't be."""
    from doldrum.suspects import Endpoint

    told = {f.name.removeprefix(_PREFIX): job[f.name] for f in fields(RemoteSettings)}
    return Endpoint(url=job["model"], budget=told.pop("queries"), **told)


@dataclass(frozen=True, kw_only=True)
class RemoteSettings:
    """What `doldrum.suspects.Endpoint` takes beside the address, each under its name there.

    >>> RemoteSettings(endpoint_queries=5).check("m.onnx")
    Traceback (most recent call last):
    doldrum.errors.InputError: expected --endpoint-queries with a model at an address http(s)://..., got a file; leave it out
    """

    endpoint_body: Literal["png", "npy"] = "png"
    endpoint_batch: int = 16
    endpoint_timeout: float = 30.0
    endpoint_retries: int = 4
    endpoint_per_second: float | None = None
    endpoint_queries: int | None = None  # `budget` there; an audit's --budget is its time
    endpoint_token: str | None = None

    def check(self, model: str) -> None:
        """InputError for what can't be, before any work."""
        if is_address(model):
            endpoint_of({"model": model, **vars(self)})
            return
        for field in fields(RemoteSettings):
            if getattr(self, field.name) != field.default:
                name = field.name.replace("_", "-")
                raise InputError(
                    f"expected --{name} with a model at an address http(s)://..., got a file; leave it out"
                )
