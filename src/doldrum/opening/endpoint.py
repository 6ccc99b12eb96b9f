"""A model behind an address: how it is asked, and what its address is kept as."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from doldrum.errors import InputError
from doldrum.remote import redacted

if TYPE_CHECKING:
    from doldrum.suspects import Endpoint

__all__ = ["PREFIX", "endpoint_of", "is_address", "kept_address"]

PREFIX = "endpoint_"
"""Begins the names of a job's settings that are the endpoint's."""


def is_address(model: str) -> bool:
    """Whether a model is asked over the network."""
    return model.startswith(("https://", "http://"))


def kept_address(url: str) -> str:
    """What a run's folder recognises its address by: shown, with a hash of the whole."""
    return f"{redacted(url)} sha256:{hashlib.sha256(url.encode()).hexdigest()[:32]}"


def endpoint_of(settings: Mapping[str, Any]) -> Endpoint:
    """The `Endpoint` that settings as a dictionary describe; InputError, by the settings' names, for an address or a bound that can't be."""
    from doldrum.suspects import Endpoint

    told = {name.removeprefix(PREFIX): value for name, value in settings.items() if name.startswith(PREFIX)}
    names = {"budget" if name == "queries" else name: f"{PREFIX}{name}" for name in told}
    try:
        return Endpoint(url=settings["model"], budget=told.pop("queries"), **told)
    except InputError as error:
        raise InputError(re.sub(rf"\b({'|'.join(names)})=", lambda found: f"{names[found[1]]}=", str(error))) from error
