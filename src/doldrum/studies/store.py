"""The file of a study's records, to which lines are only appended, and which only one run at a time can write."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from doldrum.locks import locked

__all__ = ["RecordsFile"]


class RecordsFile:
    """A file of records that is open for appending lines; an incomplete last line is removed first.

    Raises InputError if another run has the file open. Raises OSError if a line cannot be written; then no part of the line
    stays in the file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "records.jsonl"
    ...     _ = path.write_text('{"key": "a"}\\n{"ke')
    ...     with RecordsFile(path) as file:
    ...         file.add({"key": "b"})
    ...     path.read_text()
    '{"key": "a"}\\n{"key": "b"}\\n'
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> RecordsFile:
        with ExitStack() as held:
            held.enter_context(locked(self.path))
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            held.callback(os.close, self._file)
            self._size = _whole_size(self.path)
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def add(self, line: dict[str, Any]) -> None:
        """Append one line to the file, and wait until the line is written to the disk."""
        data = (json.dumps(line, allow_nan=False) + "\n").encode()
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
            raise OSError(
                error.errno, f"expected space for a record, got {error.strerror}; free some space, then run the same command again",
                str(self.path),
            ) from error  # fmt: skip
        self._size += len(data)


def _whole_size(path: Path) -> int:
    """The number of bytes up to the end of the last complete line."""
    data = path.read_bytes()
    return data.rfind(b"\n") + 1
