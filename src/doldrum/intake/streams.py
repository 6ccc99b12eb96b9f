"""Streams that raise an error when they become too long."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
from typing import IO, Protocol

from doldrum.errors import InputError
from doldrum.intake.base import ImageLimits
from doldrum.intake.text import visible

__all__ = ["Budget", "Reader", "open_regular", "unpacked"]

_PIECE = 1 << 16
_XZ_MEMORY = 128 << 20  # what xz -9 needs is 65 MiB


class Reader(Protocol):
    """The type of a stream. The readers of archives need only its method `read`."""

    def read(self, size: int, /) -> bytes: ...


class Budget:
    """The number of bytes that may still be unpacked from a compressed file.

    >>> Budget(1000, ImageLimits(unpacked_ratio=2, unpacked_free=1)).take(2001)
    Traceback (most recent call last):
    doldrum.errors.InputError: expected at most 2000 bytes from a file of 1000, got more, a decompression bomb; ...
    """

    def __init__(self, packed: int, limits: ImageLimits) -> None:
        self._packed = packed
        self._most = max(limits.unpacked_free, limits.unpacked_ratio * packed)
        self._left = self._most

    @property
    def spent(self) -> bool:
        """Whether more bytes than allowed were unpacked."""
        return self._left < 0

    def take(self, size: int) -> None:
        """Count unpacked bytes. Raises InputError if too many bytes were unpacked."""
        self._left -= size
        if self._left < 0:
            raise InputError(
                f"expected at most {self._most} bytes from a file of {self._packed}, got more, a decompression bomb; "
                "unpack it yourself if you trust it"
            )


def open_regular(path: str | os.PathLike[str], *, follow: bool = False) -> IO[bytes]:
    """Open a regular file for reading. A link is followed only if `follow` is true; pipes and devices are never opened.

    Raises InputError for anything but a regular file, and for a file that may not be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        found = os.stat(path, follow_symlinks=follow)
        if stat.S_ISLNK(found.st_mode):
            raise InputError("expected a file, got a link, which is not followed; put the file there")
        if not stat.S_ISREG(found.st_mode):
            raise InputError("expected a file, got a pipe, a device or a socket; leave out this file")
        descriptor = os.open(path, flags | (0 if follow else getattr(os, "O_NOFOLLOW", 0)))
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"expected a file that can be read, but opening it failed: {reason}; check its permissions"
        ) from error
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise InputError("expected a file, got a pipe, a device or a socket; leave out this file")
    return file


def unpacked(file: IO[bytes], kind: str | None, budget: Budget) -> Reader:
    """Unpack a stream that is compressed with "gzip", "bzip2", "xz" or "zstd", and count its bytes against `budget`.

    If `kind` is none of these four formats, the stream is returned unchanged. Reading a damaged stream raises
    InputError.
    """
    if kind == "gzip":
        return _Counted(gzip.GzipFile(fileobj=file), budget)
    if kind == "bzip2":
        return _Counted(bz2.BZ2File(file), budget)
    if kind == "xz":
        return _Counted(_Xz(file), budget)
    if kind == "zstd":
        import pyarrow as pa

        return _Counted(pa.CompressedInputStream(pa.PythonFile(_Lent(file), mode="r"), "zstd"), budget)
    return file


class _Lent:
    """A file whose close() does nothing.

    This class is needed because pyarrow closes the file that it was given when pyarrow's own object is deleted.
    """

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self.read = file.read

    def close(self) -> None:
        pass


class _Counted:
    def __init__(self, inner: Reader, budget: Budget) -> None:
        self._inner, self._budget = inner, budget

    def read(self, size: int, /) -> bytes:
        try:
            data = self._inner.read(size)
        except Exception as error:  # damaged streams raise what they like
            why = visible(str(error)) or type(error).__name__
            raise InputError(f"expected a whole packed file, got {why}; get the file again") from error
        self._budget.take(len(data))
        return data


class _Xz:
    """Reads an xz file like lzma.LZMAFile, but limits the memory that the file's header can request."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._packed = file, b""
        self._decoder = self._fresh()

    @staticmethod
    def _fresh() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def read(self, size: int, /) -> bytes:
        while True:
            if self._decoder.eof:  # streams may follow one another, with zeros between them
                self._packed = self._decoder.unused_data or self._packed
                rest = self._packed.lstrip(b"\0") or self._file.read(_PIECE).lstrip(b"\0")
                if not rest:
                    return b""
                self._packed, self._decoder = rest, self._fresh()
            elif self._decoder.needs_input and not self._packed:
                self._packed = self._file.read(_PIECE)
                if not self._packed:
                    raise EOFError("the compressed file ends too early")
            given, self._packed = self._packed, b""
            if data := self._decoder.decompress(given, max_length=size):
                return data
