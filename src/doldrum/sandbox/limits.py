"""Limits: how much memory, time, disk and so on a confined process may use."""

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
    """The limits of one confined call. A process that exceeds a limit is ended.

    Parameters
    ----------
    memory : int
        Bytes of the process's own memory (heap, arrays, stacks of threads). Files that are mapped for reading don't
        count towards this limit.
    seconds : float
        Wall-clock time from the start of the process.
    open_files : int
        The number of files that may be open at once.
    file_bytes, disk : int
        `file_bytes` is the largest size of one file in bytes. `disk` is the number of bytes that the process may add to
        its folders.
    messages : int
        Bytes of all progress messages. The same limit applies to what the process prints.
    reply : int
        The largest size, in bytes of JSON, of the value that the function returns.
    network : bool
        Whether the process may open sockets.
    write : folders
        Existing folders that the process may write to, in addition to its temporary folder, which is removed at the end.
    read : paths of folders and files, or None
        The folders and files that the process may read, in addition to Python, its libraries and the folders in
        `write`. If `read` is None, the process may read everything that the user may read.
    environment : names
        The names of environment variables that the process gets, in addition to the variables that libraries need. The
        process gets no other variables.

    Raises InputError for a limit that is not positive and finite, or a path that does not exist.

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
                raise InputError(
                    f"expected the limit {name} to be a positive number, got {value!r}; pass a positive number"
                )
            object.__setattr__(self, name, float(value) if name == "seconds" else int(value))
        object.__setattr__(self, "write", _paths("write", self.write, folders=True))
        object.__setattr__(self, "read", None if self.read is None else _paths("read", self.read, folders=False))
        object.__setattr__(
            self, "environment", (self.environment,) if isinstance(self.environment, str) else tuple(self.environment)
        )

    def as_dict(self) -> dict[str, Any]:
        """The limits as JSON-able values, for the confined process."""
        return asdict(self)


def _paths(name: str, given: Any, *, folders: bool) -> tuple[str, ...]:
    if isinstance(given, (str, PathLike)):
        given = (given,)
    paths = tuple(str(Path(fspath(path)).resolve()) for path in given)
    for path in paths:
        if not (Path(path).is_dir() if folders else Path(path).exists()):
            what = "an existing folder" if folders else "a file or folder"
            raise InputError(
                f"expected {what} that the confined process may {name}, got the path {path}, which does not exist; create it first"
            )
    return paths
