"""Models at a network address: the settings of requests, and the form in which an address is saved."""

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
"""The prefix of all settings that belong to the endpoint."""


def is_address(model: str) -> bool:
    """Whether `model` is an address on the network."""
    return model.startswith(("https://", "http://"))


def kept_address(url: str) -> str:
    """The form in which an address is saved in a run's folder: without secrets, and with a hash of the whole address."""
    return f"{redacted(url)} sha256:{hashlib.sha256(url.encode()).hexdigest()[:32]}"


def endpoint_of(settings: Mapping[str, Any]) -> Endpoint:
    """The `Endpoint` for settings that are given as a dict.

    Raises InputError for an invalid address or limit. The message names the setting, such as endpoint_queries.
    """
    from doldrum.suspects import Endpoint

    told = {name.removeprefix(PREFIX): value for name, value in settings.items() if name.startswith(PREFIX)}
    names = {"budget" if name == "queries" else name: f"{PREFIX}{name}" for name in told}
    try:
        return Endpoint(url=settings["model"], budget=told.pop("queries"), **told)
    except InputError as error:
        raise InputError(re.sub(rf"\b({'|'.join(names)})=", lambda found: f"{names[found[1]]}=", str(error))) from error
