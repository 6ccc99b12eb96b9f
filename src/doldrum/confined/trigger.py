"""Write and read the trigger that a job found. The confined process writes the trigger into a folder that an attacker
may have changed, so the trigger is checked when it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.errors import InputError
from doldrum.files import write_text_whole
from doldrum.triggers.base import Trigger, trigger_from_dict

__all__ = ["TRIGGER", "keep_trigger", "read_trigger", "write_trigger"]

TRIGGER = "trigger.json"
"""The name of the file with the trigger, both in the work folder of the confined process and among the job's
results."""
_MOST_BYTES = 1 << 28


def write_trigger(folder: Path, trigger: Mapping[str, Any] | None) -> None:
    """In the confined process: write a trigger, in the form of `Trigger.to_dict`, to a file. If the trigger is None,
    delete a file that an interrupted run left."""
    if trigger is None:
        (folder / TRIGGER).unlink(missing_ok=True)
        return
    write_text_whole(folder / TRIGGER, json.dumps(trigger))


def keep_trigger(source: Path, target: Path, *, shape: tuple[int, int, int]) -> Trigger:
    """Outside of the confined process: read the trigger from the folder `source`, try the trigger on an image of shape
    `shape`, and write the trigger to the folder `target`.

    Raises ValueError if there is no trigger, and for a trigger that does not fit images of this shape.
    """
    if not (source / TRIGGER).is_file():
        raise ValueError("no trigger")
    try:
        trigger = read_trigger(source / TRIGGER)
        trigger(np.zeros((1, *shape), dtype=np.float32))
    except InputError as error:
        raise ValueError(f"a trigger that does not fit these images: {error}") from error
    write_text_whole(target / TRIGGER, json.dumps(trigger.to_dict()))
    return trigger


def read_trigger(path: Path) -> Trigger:
    """Read a trigger from a JSON file that holds only arrays and small numbers.

    Raises InputError if the settings of the trigger are wrong, and ValueError if the file has any other wrong content.
    """
    if path.is_symlink() or path.stat().st_size > _MOST_BYTES:
        raise ValueError("a link, or a file that is too large")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("a file that is nested too deeply") from error
    if not _is_plain(found):
        raise ValueError("a trigger that is not made of arrays and numbers")
    try:
        return trigger_from_dict(found)
    except (KeyError, TypeError) as error:
        raise InputError(f"expected a trigger, got {error!r}; make the trigger again") from error


def _is_plain(found: Any) -> bool:
    """Whether the settings of a trigger are only arrays and small numbers. An array needs no more memory than its text
    in the file, so memory use stays small."""
    if not isinstance(found, dict) or set(found) != {"name", "settings"} or not isinstance(found["settings"], dict):
        return False
    return all(_is_small(name, value) for name, value in found["settings"].items())


def _is_small(name: str, value: Any) -> bool:
    if isinstance(value, Mapping):
        return set(value) == {"array", "dtype", "shape"}
    if isinstance(value, int) and name.endswith("seed"):
        return 0 <= value < 1 << 63
    return value is None or (isinstance(value, (bool, int, float)) and abs(value) <= 1e4)
