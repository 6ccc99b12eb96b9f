"""What a confined process may use."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from doldrum.errors import InputError

__all__ = ["Limits"]

_GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of one confined call; a process that exceeds one is ended.

    Parameters
    ----------
    memory : int
        Bytes of its own (heap, arrays, stacks of threads); files that it maps to read don't count.
    seconds : float
        Wall clock, from its start.
    open_files : int
        Files open at once.
    file_bytes, disk : int
        Size of one file, and of all that it adds to its folders.
    messages : int
        Bytes of all progress messages; the same holds for what it prints.
    reply : int
        Bytes of the value that it returns, as JSON.
    network : bool
        Whether it may open sockets.
    write : folders
        Existing folders that it may write to, besides a temporary folder of its own, which is removed at the end.
    read : folders and files, or None
        What it may read besides Python, its libraries and `write`; None is everything that the user may read.
    environment : names
        Environment variables that are passed on, besides those that libraries need. No others are.

    Raises InputError for a bound that is not positive and finite, or a path that is not there.

    Examples
    --------
    >>> Limits(memory=1 << 30, seconds=60).network
    False
    """

    memory: int = 6 * _GIB
    seconds: float = 600.0
    open_files: int = 512
    file_bytes: int = 8 * _GIB
    disk: int = 16 * _GIB
    messages: int = 64 << 20
    reply: int = 16 << 20
    network: bool = False
    write: Iterable[str | PathLike[str]] = field(default=())
    read: Iterable[str | PathLike[str]] | None = None
    environment: Iterable[str] = field(default=())

    def __post_init__(self) -> None:
        for name in ("memory", "seconds", "open_files", "file_bytes", "disk", "messages", "reply"):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and 0 < value < math.inf):
                raise InputError(f"expected the limit {name} to be a positive number, got {value!r}; pass one")
            object.__setattr__(self, name, float(value) if name == "seconds" else int(value))
        object.__setattr__(self, "write", _paths("write", self.write, folders=True))
        object.__setattr__(self, "read", None if self.read is None else _paths("read", self.read, folders=False))
        object.__setattr__(
            self, "environment", (self.environment,) if isinstance(self.environment, str) else tuple(self.environment)
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, for the other process."""
        return asdict(self)


def _paths(name: str, given: Any, *, folders: bool) -> tuple[str, ...]:
    if isinstance(given, (str, PathLike)):
        given = (given,)
    paths = tuple(str(Path(fspath(path)).resolve()) for path in given)
    for path in paths:
        if not (Path(path).is_dir() if folders else Path(path).exists()):
            what = "an existing folder" if folders else "a file or folder"
            raise InputError(f"expected {what} to {name}, got {path}; make it first")
    return paths
