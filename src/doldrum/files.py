"""Write files completely or not at all, check beforehand that they can be written, and read Parquet files safely."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from doldrum.errors import InputError

__all__ = [
    "check_file_writable",
    "check_folder_writable",
    "holds_files",
    "new_array",
    "parquet_table",
    "remove_drafts",
    "tidied",
    "write_text_whole",
    "write_whole",
]

_BLOCK = 1 << 20


def write_whole(path: str | os.PathLike[str], write: Callable[[Path], Any]) -> Path:
    """Let `write` fill a draft file next to `path`, then rename the draft to `path`. If the process is killed, `path`
    holds the old file or the new one.

    Missing folders are made. The draft is removed if `write` fails. If the disk is full, the OSError names the file.

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
        text = "expected space on the disk, got a full disk; free some space and run the same command again"
        raise OSError(error.errno, text, str(target)) from error
    finally:
        draft.unlink(missing_ok=True)
    return target


def write_text_whole(path: str | os.PathLike[str], text: str) -> Path:
    """Write UTF-8 text to `path`, completely or not at all.

    A file name that is not UTF-8 contains lone surrogates. Lone surrogates are written as escapes, which JSON reads
    back unchanged.
    """
    return write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8", errors="backslashreplace"))


def new_array(path: str | os.PathLike[str], *, shape: tuple[int, ...], dtype: Any) -> Any:
    """Make an .npy file of zeros, and return its array, memory-mapped for writing.

    The disk space is taken at once, so a full disk is an OSError here. A file without its space would be made on any
    disk, and the first write that finds no space would kill the process (SIGBUS).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     new_array(Path(folder) / "x.npy", shape=(2, 3), dtype="u1").tolist()
    [[0, 0, 0], [0, 0, 0]]
    """
    from numpy.lib.format import open_memmap

    array = open_memmap(path, mode="w+", shape=shape, dtype=dtype)
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:  # not on macOS and Windows
            file.seek(size - array.nbytes)
            for start in range(0, array.nbytes, _BLOCK):
                file.write(bytes(min(_BLOCK, array.nbytes - start)))
    return array


def holds_files(folder: str | os.PathLike[str]) -> bool:
    """Whether `folder` exists and holds anything other than partly written files of a killed run (*.part).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as here:
    ...     _ = (Path(here) / "audit.json.4711.part").write_text("{")
    ...     holds_files(here)
    False
    """
    path = Path(folder)
    return path.is_dir() and any(p.suffix != ".part" for p in path.iterdir())


def remove_drafts(folder: str | os.PathLike[str], *, of: str = "") -> None:
    """Remove old drafts (NAME.PID.part) from `folder` and its subfolders. A draft stays there if a process is killed
    while it runs `write_whole`.

    Call this only while the folder is locked. If only the files whose names begin with `of` are locked, give `of`: then
    only their drafts are removed, and none in subfolders.
    """
    for path in Path(folder).glob(f"{of}*.part" if of else "**/*.part"):
        if path.is_file() and path.stem.rpartition(".")[2].isdecimal():
            path.unlink(missing_ok=True)


@contextmanager
def tidied(folder: str | os.PathLike[str]) -> Iterator[None]:
    """If the block raises an error, remove the empty folders that the block made: `folder` and its parents.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as here:
    ...     new = Path(here) / "a" / "b"
    ...     try:
    ...         with tidied(new):
    ...             new.mkdir(parents=True)
    ...             raise ValueError
    ...     except ValueError:
    ...         os.listdir(here)
    []
    """
    new = _missing(Path(folder))
    try:
        yield
    except BaseException:
        _remove_empty(new)
        raise


def _missing(folder: Path) -> list[Path]:
    """The folder and its parents that do not exist, innermost first."""
    return [p for p in (folder, *folder.parents) if not os.path.lexists(p)]


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove the given folders that exist and are empty. The folders are listed innermost first."""
    for folder in folders:
        with suppress(OSError):  # not there, or not empty
            folder.rmdir()


def check_folder_writable(folder: str | os.PathLike[str]) -> None:
    """Raise InputError unless files can be written in `folder`, which need not exist yet. The check leaves no files
    behind.

    Call this check before any work. The check tries to write, since permissions do not show everything, and root has
    all permissions.
    """
    target = Path(folder)
    if (what := _in_place_of_a_folder(target)) is not None:
        raise InputError(f"expected a folder for --out, got {target}, which is {what}; name another folder")
    try:
        _try_writing(target)
    except InputError as error:
        raise InputError(
            f"expected a folder that can be written to, got {target} ({error}); name another with --out"
        ) from error


def check_file_writable(path: str | os.PathLike[str], *, flag: str = "--out") -> None:
    """Raise InputError unless a file can be written at `path`. The file's folder need not exist yet. The check leaves
    no files behind."""
    target = Path(path)
    if target.is_dir():
        raise InputError(f"expected a file for {flag}, got the folder {target}; name a file in it")
    if target.exists() and not target.is_file():
        raise InputError(f"expected a file for {flag}, got {target}, which is a device, pipe or socket; name another")
    try:
        _try_writing(target.parent)
    except InputError as error:
        raise InputError(f"expected a {flag} that can be written, got {target} ({error}); name another") from error


def _in_place_of_a_folder(path: Path) -> str | None:
    """Say what is at `path`, such as "a file", if no folder can be made there. The result is None for a folder, or if
    nothing is at `path`."""
    if path.is_dir() or not os.path.lexists(path):
        return None
    if not path.exists():
        return "a link to nothing"
    return "a file" if path.is_file() else "a device, pipe or socket"


def _try_writing(folder: Path) -> None:
    """Make the folder and a file in the folder, and remove both the folder and the file again. Raises InputError with
    the reason if the folder or the
    file cannot be made."""
    new, draft = _missing(folder), folder / f"try.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft.touch()
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(str(getattr(error, "strerror", None) or error)) from error
    finally:
        with suppress(OSError, ValueError):
            draft.unlink()
        _remove_empty(new)


def parquet_table(source: bytes | os.PathLike[str], *, columns: Iterable[str] | None = None) -> Any:
    """Read a Parquet file, from its bytes or a path, as a pyarrow Table with all columns or those in `columns`.

    The caller's thread reads the file. Pyarrow's own threads may still hold Python's memory when the interpreter ends,
    which can abort the process (apache/arrow issues 34314 and 33975).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pa.BufferReader(source) if isinstance(source, bytes) else os.fspath(source)
    with pq.ParquetFile(file, pre_buffer=False) as opened:
        return opened.read(None if columns is None else list(columns), use_threads=False)
