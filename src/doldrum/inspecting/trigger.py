"""Read a trigger that a confined process, or somebody else, wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doldrum.errors import InputError
from doldrum.triggers.base import Trigger, trigger_from_dict

__all__ = ["read_trigger"]

_MOST_BYTES = 1 << 28


def read_trigger(path: Path) -> Trigger:
    """The trigger in a JSON file of arrays and small numbers.

    Raises InputError for a trigger whose settings are wrong, and ValueError for anything else.
    """
    if path.is_symlink() or path.stat().st_size > _MOST_BYTES:
        raise ValueError("no trigger, or one that is too large")
    found = json.loads(path.read_text(encoding="utf-8"))
    if not _is_plain(found):
        raise ValueError("a trigger that is not made of arrays and numbers")
    try:
        return trigger_from_dict(found)
    except (KeyError, TypeError) as error:
        raise InputError(f"expected a trigger, got {error!r}; inspect the model again") from error


def _is_plain(found: Any) -> bool:
    """Whether a trigger's settings are arrays, whose size is that of their text, and small numbers: none can ask for much."""
    if not isinstance(found, dict) or set(found) != {"name", "settings"} or not isinstance(found["settings"], dict):
        return False
    return all(_is_small(name, value) for name, value in found["settings"].items())


def _is_small(name: str, value: Any) -> bool:
    if isinstance(value, Mapping):
        return set(value) == {"array", "dtype", "shape"}
    if isinstance(value, int) and name.endswith("seed"):
        return 0 <= value < 1 << 63
    return value is None or (isinstance(value, (bool, int, float)) and abs(value) <= 1e4)
