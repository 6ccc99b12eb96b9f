"""Remember which engine "auto" chose. Engines are timed once, and then every run on this machine uses the same
engine."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from doldrum.data.places import cache_folder, written_alone
from doldrum.errors import InputError
from doldrum.files import write_text_whole
from doldrum.provenance import versions_and_machine

__all__ = ["folder", "keep", "key", "recall", "writable"]


def folder() -> Path:
    """The cache folder: $DOLDRUM_ENGINES, by default $XDG_CACHE_HOME/doldrum/engines or ~/.cache/doldrum/engines.
    Deleting it is safe."""
    given = os.environ.get("DOLDRUM_ENGINES")
    return Path(given) if given else cache_folder() / "engines"


def key(fingerprint: str, rows: int, input_shape: Sequence[int], candidates: Sequence[tuple[str, str]]) -> str:
    """A hash (24 hexadecimal digits) of everything that may decide which engine is fastest: classifier, shape, versions
    and machine."""
    text = json.dumps([fingerprint, rows, list(input_shape), list(candidates), versions_and_machine()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def writable() -> bool:
    """Whether the cache can be written, as far as can be told before."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder(), os.W_OK)


def recall(key: str) -> tuple[str, str] | None:
    """Return the engine and the precision that are saved under `key`, or None if no readable file is saved under
    `key`."""
    try:
        found = json.loads((folder() / f"{key}.json").read_text(encoding="utf-8"))
        return str(found["engine"]), str(found["precision"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(key: str, choice: tuple[str, str]) -> tuple[str, str] | None:
    """Save `choice`, unless another process has already saved a choice. Return the saved choice, or None if the cache
    can't be written."""
    path = folder() / f"{key}.json"
    try:
        with written_alone(folder()):
            if path.exists():
                return recall(key) or choice
            write_text_whole(path, json.dumps({"engine": choice[0], "precision": choice[1]}))
    except (OSError, InputError):
        return None
    return choice
