"""A model behind an address: how it is asked, and what of its address may be shown."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from doldrum.errors import InputError

if TYPE_CHECKING:
    from doldrum.suspects import Endpoint

__all__ = ["PREFIX", "endpoint_of", "is_address", "kept_address", "shown_address"]

PREFIX = "endpoint_"
"""Begins the names of a job's settings that are the endpoint's."""


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


def endpoint_of(settings: Mapping[str, Any]) -> Endpoint:
    """The `Endpoint` that settings as a dictionary describe; InputError, by the settings' names, for an address or a bound that can't be."""
    from doldrum.suspects import Endpoint

    told = {name.removeprefix(PREFIX): value for name, value in settings.items() if name.startswith(PREFIX)}
    names = {"budget" if name == "queries" else name: f"{PREFIX}{name}" for name in told}
    try:
        return Endpoint(url=settings["model"], budget=told.pop("queries"), **told)
    except InputError as error:
        raise InputError(re.sub(rf"\b({'|'.join(names)})=", lambda found: f"{names[found[1]]}=", str(error))) from error
