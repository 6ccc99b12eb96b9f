"""The folders in which data sets are searched: the user's folder first, then the cache."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder", "candidate_folders"]


def cache_folder() -> Path:
    """The cache folder: $XDG_CACHE_HOME/doldrum, by default ~/.cache/doldrum."""
    given = os.environ.get("XDG_CACHE_HOME")
    return Path(given or os.path.expanduser("~/.cache")) / "doldrum"  # Path.home() raises for users without a home


def candidate_folders(name: str) -> list[Path]:
    """The folders to search for a data set, in this order: $DOLDRUM_DATA/name, $DOLDRUM_DATA itself, the cache."""
    given = os.environ.get("DOLDRUM_DATA")
    return [*([Path(given) / name, Path(given)] if given else []), cache_folder() / name]
