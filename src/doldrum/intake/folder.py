"""Folders of files, walked without following a link."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from doldrum.errors import InputError

__all__ = ["FolderEntry", "walk"]


@dataclass(frozen=True)
class FolderEntry:
    """A file below a folder: its name there, its path; or why it is passed over."""

    name: str
    path: str
    why: str | None = None


def walk(root: str | os.PathLike[str]) -> Iterator[FolderEntry]:
    """Files below `root`, in order of their names, folder by folder; links, hidden entries and folders that may not be entered
    come with the reason why they are passed over.
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
