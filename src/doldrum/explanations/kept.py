"""Kept: what was found so far, in memory or in a file that a run which was cut off goes on with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doldrum.explanations.asking import Asker

__all__ = ["Kept"]


class Kept:
    """JSON-able values by name, with what they cost. With a file each is a line of it, written as soon as it is known.

    A value that is read from the file costs what it cost when it was made, so that a bound on queries holds over all runs together. A line
    cut off by a kill is left out.
    """

    def __init__(self, asker: Asker, path: Path | None = None) -> None:
        self._asker, self._path = asker, path
        self._known: dict[str, Any] = {}
        self._read: dict[str, tuple[Any, int]] = {}
        if path is None or not path.exists():
            return
        whole = path.read_bytes().rpartition(b"\n")[0]
        for line in whole.splitlines():
            name, value, queries = json.loads(line)
            self._read[name] = value, queries
        path.write_bytes(whole + b"\n" if whole else b"")

    def get(self, name: str, make: Callable[[], Any]) -> Any:
        """The value of that name; made and kept where there is none yet."""
        if name in self._known:
            return self._known[name]
        if name in self._read:
            value, queries = self._read.pop(name)
            self._asker.spend(queries)
        else:
            before = self._asker.queries
            value = make()
            self._write([name, value, self._asker.queries - before])
        self._known[name] = value
        return value

    def _write(self, line: list[Any]) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n")
