"""`Kept` stores results by name, in memory or in a file from which an interrupted run continues."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doldrum.explanations.asking import Asker

__all__ = ["Kept"]


class Kept:
    """Stores JSON values by name, and for each value the number of queries that it took. The file holds one value per
    line.

    A value is written to the file as soon as it is known. If a value is read from the file, its queries from the
    earlier run are added to the count of this run. So a limit on queries holds for all runs together. An incomplete
    last line, left by a killed process, is ignored.
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
        """The stored value with the name `name`. If there is no value with this name yet, `make` computes the value,
        and the value is stored."""
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
