"""List the files in a folder and its subfolders without following links."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from doldrum.errors import InputError

__all__ = ["FolderEntry", "walk"]


@dataclass(frozen=True)
class FolderEntry:
    """A file below a folder: its name relative to the folder, and its path.

    If the file is skipped, `why` is the reason.
    """

    name: str
    path: str
    why: str | None = None


def walk(root: str | os.PathLike[str]) -> Iterator[FolderEntry]:
    """The files below `root`, folder by folder, in order of their names.

    Links, hidden entries and folders that may not be opened are listed with the reason why they are skipped.
    """
    waiting = [("", os.fspath(root))]
    while waiting:
        prefix, folder = waiting.pop()
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda e: e.name)
        except OSError as error:
            if not prefix:
                raise InputError(
                    f"expected a folder that can be read, but reading it failed: {error.strerror}"
                ) from error
            yield FolderEntry(
                prefix, folder, f"expected a folder that can be opened, but opening it failed: {error.strerror}"
            )
            continue
        inner = []
        for entry in entries:
            name = prefix + entry.name
            if entry.is_symlink():
                yield FolderEntry(
                    name, entry.path, "expected a file, got a link, which is not followed; put the file there"
                )
            elif entry.name.startswith("."):
                yield FolderEntry(name, entry.path, "expected a file, got a hidden one, which is not opened; rename it")
            elif entry.is_dir(follow_symlinks=False):
                inner.append((name + "/", entry.path))
            else:
                yield FolderEntry(name, entry.path)
        waiting += reversed(inner)
