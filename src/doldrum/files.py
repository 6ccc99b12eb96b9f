"""Files that are written whole or not at all, and Parquet read on the caller's thread."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["parquet_table", "write_text_whole", "write_whole"]


def write_whole(path: str | os.PathLike[str], write: Callable[[Path], Any]) -> Path:
    """Have `write` fill a draft beside `path`, then rename it: a kill leaves the old file or the new one.

    Missing folders are made. The draft is removed when `write` fails; on a full disk
    the OSError names the file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder) / "a" / "b.txt", lambda draft: draft.write_text("whole")).read_text()
    'whole'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        write(draft)
        os.replace(draft, target)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        # What the system says names neither the file nor what to do.
        text = "expected room for this file, got a full disk; free some and run the same again"
        raise OSError(error.errno, text, str(target)) from error
    finally:
        draft.unlink(missing_ok=True)
    return target


def write_text_whole(path: str | os.PathLike[str], text: str) -> Path:
    """Write UTF-8 text to `path`, whole or not at all.

    A file name that is no UTF-8 holds lone surrogates; they are written as escapes, which JSON reads back as they were.
    """
    return write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8", errors="backslashreplace"))


def parquet_table(source: bytes | os.PathLike[str]) -> Any:
    """A Parquet file's bytes, or the file at a path, as a pyarrow Table.

    On the caller's thread: pyarrow's own threads may still hold bytes of Python's when the interpreter ends, which can abort the
    process (apache/arrow issues 34314 and 33975).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pa.BufferReader(source) if isinstance(source, bytes) else os.fspath(source)
    with pq.ParquetFile(file, pre_buffer=False) as opened:
        return opened.read(use_threads=False)
