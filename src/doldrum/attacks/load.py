"""The function `load_trigger`: load any saved trigger, including learned ones."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from doldrum.errors import InputError
from doldrum.lazy import extras
from doldrum.triggers.base import Trigger, trigger_from_dict

__all__ = ["load_trigger"]

# Triggers can't import attacks, so a trigger of theirs is known only after its module was imported; those need torch.
_LEARNED = {"hidden-string": "issba", "generated": "input_aware"}


def load_trigger(record: dict[str, Any]) -> Trigger:
    """Rebuild the trigger that `to_dict` wrote.

    In contrast to `triggers.trigger_from_dict`, this function also loads the learned triggers of ISSBA and Input-aware.

    No code from the record is run. Raises InputError for unknown names and settings, and MissingExtraError for a
    learned trigger if torch is not installed.

    >>> from doldrum.triggers import Patch
    >>> load_trigger(Patch(size=2).to_dict()) == Patch(size=2)
    True
    """
    try:
        names = list(_names(record))
    except RecursionError as error:
        raise InputError(
            "expected a trigger of a few parts, got one that is nested too deeply; write it with to_dict"
        ) from error
    for name in names:
        if name in _LEARNED:
            with extras():
                importlib.import_module(f"doldrum.attacks.methods.{_LEARNED[name]}")
    return trigger_from_dict(record)


def _names(value: Any) -> Iterator[str]:
    """Yield the name in the record of a trigger, and the names of all triggers inside this trigger."""
    if isinstance(value, dict):
        if isinstance(value.get("name"), str):
            yield value["name"]
        yield from _names(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _names(part)
