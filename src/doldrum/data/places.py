"""The folders in which data sets are searched: the user's folder first, then the cache. Also how the cache is written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from doldrum.errors import InputError
from doldrum.files import remove_drafts
from doldrum.locks import locked

__all__ = ["cache_folder", "candidate_folders", "written_alone"]


def cache_folder() -> Path:
    """The cache folder: $XDG_CACHE_HOME/doldrum, by default ~/.cache/doldrum."""
    given = os.environ.get("XDG_CACHE_HOME")
    return Path(given or os.path.expanduser("~/.cache")) / "doldrum"  # Path.home() raises for users without a home


def candidate_folders(name: str) -> list[Path]:
    """The folders to search for a data set, in this order: $DOLDRUM_DATA/name, $DOLDRUM_DATA itself, the cache."""
    given = os.environ.get("DOLDRUM_DATA")
    return [*([Path(given) / name, Path(given)] if given else []), cache_folder() / name]


@contextmanager
def written_alone(folder: Path, *, of: str = "", moved_by: str = "XDG_CACHE_HOME") -> Iterator[None]:
    """Make a folder of the cache, and lock it while the block writes there. If another process has the lock, wait.

    Drafts that killed processes left are removed first. If `of` is given, only files whose names begin with `of` are
    locked, and only their drafts are removed. Raises InputError, which says how to move the cache (`moved_by`), if the
    folder cannot be written.
    """
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # A file, since some network drives cannot lock a folder.
            held.enter_context(locked(folder / f"{of}.lock", wait=True))
            remove_drafts(folder, of=of)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise InputError(
                f"expected a cache folder that can be written, got {folder} ({error.strerror}); "
                f"set the environment variable {moved_by} to another folder"
            ) from error
        yield
