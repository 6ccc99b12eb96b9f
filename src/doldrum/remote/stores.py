"""The interface of a store (the files below one folder or address), and the store for a folder on this machine."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from doldrum.errors import InputError, StorageError
from doldrum.files import check_folder_writable, write_whole
from doldrum.intake import visible

__all__ = ["Held", "LocalStore", "Store"]

_LONGEST = 220  # bytes of a file's name: file systems take 255, and a draft's name is longer


@dataclass(frozen=True)
class Held:
    """The size in bytes of a file in a store, and a `tag` that changes when the file's content changes.

    The tag of a file at an address is, for example, its ETag. The tag of a local file consists of its size and the time
    of its last change.
    """

    size: int | None
    tag: str


class Store(ABC):
    """A store: all files below one folder or one address. A file's name, such as "a/b.tar", is relative to this folder
    or address.

    A store can be pickled: each process connects by itself. Raises InputError if a file or folder does not exist, or if
    access is refused. Raises StorageError if the storage service gives no answer or an unexpected answer; a second try
    may then work. An OSError of this machine's own disk is raised unchanged. No error message contains a secret.
    """

    @abstractmethod
    def shown(self, name: str = "") -> str:
        """The address of a file, from which secrets are removed so that the address can be shown."""

    @abstractmethod
    def listed(self) -> dict[str, Held]:
        """All files of the store, also in folders inside it, as a dictionary from names to sizes and tags. The names
        are sorted. If the folder does not exist, the dictionary is empty."""

    @abstractmethod
    def held(self, name: str) -> Held:
        """Look up the size and the tag of the file with this name."""

    @abstractmethod
    def fetched(self, name: str, folder: Path) -> Path:
        """The path at which the file can be read on this machine. A file at an address is first copied into
        `folder`."""

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """The content of a small file, or None if the file does not exist."""

    @abstractmethod
    def put(self, name: str, data: bytes) -> None:
        """Write a file. The file is written completely or not at all. A reader sees either the old or the new
        content."""

    @abstractmethod
    def check_name(self, name: str) -> None:
        """Raise InputError for a name that a file of this store cannot have.

        This check is needed because a stranger may have chosen the names of the files in a bucket.
        """

    @abstractmethod
    def check_writable(self) -> None:
        """Raise InputError if files cannot be written to this store, as far as this can be known without writing
        anything."""


class LocalStore(Store):
    """The store for a folder on this machine.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = LocalStore(folder)
    ...     store.put("a/b.txt", b"whole")
    ...     list(store.listed()), store.read("a/b.txt"), store.read("c")
    (['a/b.txt'], b'whole', None)
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)

    def shown(self, name: str = "") -> str:
        return str(self.root / name)

    def listed(self) -> dict[str, Held]:
        found = sorted(p for p in self.root.rglob("*") if p.is_file() and p.suffix != ".part")
        return {p.relative_to(self.root).as_posix(): _held(p) for p in found}

    def held(self, name: str) -> Held:
        try:
            return _held(self.root / name)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(f"expected a file at {self.shown(name)}, got nothing there; check the path") from error

    def fetched(self, name: str, folder: Path) -> Path:
        return self.root / name

    def read(self, name: str) -> bytes | None:
        try:
            return (self.root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put(self, name: str, data: bytes) -> None:
        self.check_name(name)
        try:
            write_whole(self.root / name, lambda draft: draft.write_bytes(data))
        except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
            raise StorageError(
                f"expected to be able to write {self.shown(visible(name))}, got {error.strerror}: a file or folder of this name is in the way; name an address with --out"
            ) from error

    def check_name(self, name: str) -> None:
        parts = name.split("/")
        if "\0" in name or any(part in ("", ".", "..") for part in parts):
            raise InputError(
                f"expected the name of a file inside the folder {self.root}, got {visible(name)!r}; rename the shard, or give an address with --out"
            )
        if max(len(os.fsencode(part)) for part in parts) > _LONGEST:
            raise InputError(
                f"expected file names of at most {_LONGEST} bytes, got {visible(name, most=80)!r}; rename the shard, or give an address with --out"
            )

    def check_writable(self) -> None:
        check_folder_writable(self.root)


def _held(path: Path) -> Held:
    found = path.stat()
    return Held(found.st_size, f"{found.st_size}-{found.st_mtime_ns}")
