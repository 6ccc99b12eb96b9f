"""Read a tar as a stream in one pass.

Nothing is written, links and devices are only reported, and the size of headers is limited.

The standard library's reader is not used, because it reads headers of any size into memory. The standard library's
reader also parsed some headers in quadratic time (CVE-2024-6232) or in an endless loop (CVE-2025-8194). Source:
POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from doldrum.errors import InputError
from doldrum.intake.streams import Reader

__all__ = ["TarMember", "is_tar_header", "tar_members"]

_BLOCK = 512
_PIECE = 1 << 16
_EXTRA = 1 << 20  # bytes of a header that holds a long name
_FILES = b"0\x007"
_NAMED = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"S": "a sparse file",
}


@dataclass(frozen=True)
class TarMember:
    """An entry of a tar: its unchanged name, and its bytes unless `size` is too large.

    If the entry is not a regular file, `other` says what kind of entry it is, such as a link.
    """

    name: bytes
    size: int
    data: bytes | None = None
    other: str | None = None


def tar_members(stream: Reader, *, most: int) -> Iterator[TarMember]:
    """The entries of a tar in their order, without folders.

    For a file of more than `most` bytes, the entry does not contain the file's bytes.

    Raises InputError for a damaged header, a header that is too long, and a tar that ends in the middle of an entry.
    """
    long_name: bytes | None = None
    long_size: int | None = None
    while True:
        block = _exactly(stream, _BLOCK)
        if block is None or not any(block):  # two zero blocks end an archive; some have none
            return
        if not is_tar_header(block):
            raise InputError("expected the header of a tar entry, got other bytes; get the archive again")
        kind, size = block[156:157], _number(block[124:136])
        if kind in b"xgLK" and kind:
            extra = _body(stream, size, _EXTRA, "a header")
            if kind == b"x":
                fields = _pax(extra)
                long_name = fields.get(b"path", long_name)
                if b"size" in fields:
                    long_size = _decimal(fields[b"size"])
                if any(key.startswith(b"GNU.sparse.") for key in fields):
                    long_name, kind = fields.get(b"GNU.sparse.name", long_name), b"S"
            elif kind == b"L":
                long_name = extra.rstrip(b"\0")
            if kind != b"S":
                continue
            block = _exactly(stream, _BLOCK)
            if block is None or not is_tar_header(block):
                raise InputError("expected the header of a tar entry, got other bytes; get the archive again")
            size = _number(block[124:136])
        name = long_name if long_name is not None else _short_name(block)
        size = long_size if long_size is not None else size
        long_name = long_size = None
        if kind in _NAMED or kind not in _FILES:
            if kind == b"S" and block[156:157] == b"S":
                _pass_over_map(stream, block[482])
            _pass_over(stream, size if kind not in b"12346" else 0)
            if kind != b"5":
                yield TarMember(name, size, other=_NAMED.get(kind, "an entry of unknown kind"))
        elif size > most:
            yield TarMember(name, size)
            _pass_over(stream, size)
        elif name.endswith(b"/"):  # a folder in tars older than POSIX
            _pass_over(stream, size)
        else:
            yield TarMember(name, size, _body(stream, size, most, "an entry"))


def is_tar_header(block: bytes) -> bool:
    """Whether 512 bytes are a tar header with a correct checksum.

    Signed checksums, which old programs wrote, are accepted too.
    """
    if len(block) < _BLOCK or not any(block[:100]):
        return False
    try:
        said = int(block[148:156].strip(b" \0") or b"-", 8)
    except ValueError:
        return False
    summed = block[:148] + b" " * 8 + block[156:]
    return said == sum(summed) or said == sum(summed) - 256 * sum(b > 127 for b in summed)


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # GNU: a binary number
        value = int.from_bytes(field, "big") - (0x80 << 8 * (len(field) - 1))
        if field[0] != 0x80:
            raise InputError("expected a size from 0 up in a tar header, got a negative one; get the archive again")
        return value
    text = field.strip(b" \0")
    try:
        if not text.isalnum() and text:
            raise ValueError
        return int(text or b"0", 8)
    except ValueError as error:
        raise InputError(f"expected an octal size in a tar header, got {text!r}; get the archive again") from error


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 20:
        raise InputError(f"expected a size in an extended header, got {text[:40]!r}; get the archive again")
    return int(text)


def _short_name(block: bytes) -> bytes:
    name = block[:100].split(b"\0")[0]
    prefix = block[345:500].split(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _pax(data: bytes) -> dict[bytes, bytes]:
    """Parse the records "length key=value\\n" of an extended header. Each record begins with its own length."""
    fields, at = {}, 0
    while at < len(data) and data[at] != 0:
        digits, space, _ = data[at : at + 10].partition(b" ")
        length = int(digits) if space and digits.isdigit() else 0
        key, equals, value = data[at + len(digits) + 1 : at + length].partition(b"=")
        # A length of 0 would never end: no record is that short.
        if not length or not equals or at + length > len(data) or not value.endswith(b"\n"):
            raise InputError("expected an extended header of whole records, got a damaged one; get the archive again")
        fields[key] = value[:-1]
        at += length
    return fields


def _exactly(stream: Reader, size: int) -> bytes | None:
    """Read exactly `size` bytes. Returns None if the stream ended before the first byte."""
    pieces, left = [], size
    while left:
        piece = stream.read(min(left, _PIECE))
        if not piece:
            if left == size:
                return None
            raise InputError("expected a whole tar, got its end in the middle of an entry; get the archive again")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _body(stream: Reader, size: int, most: int, what: str) -> bytes:
    if size > most:
        raise InputError(f"expected {what} of at most {most} bytes in a tar, got {size}; get the archive again")
    padded = -(-size // _BLOCK) * _BLOCK
    data = _exactly(stream, padded) if padded else b""
    if data is None:
        raise InputError("expected a whole tar, got its end in the middle of an entry; get the archive again")
    return data[:size]


def _pass_over_map(stream: Reader, more: int) -> None:
    """Skip the rest of a sparse file's map, which is not included in the entry's size."""
    while more:
        block = _exactly(stream, _BLOCK)
        if block is None:
            raise InputError("expected a whole tar, got its end in the middle of an entry; get the archive again")
        more = block[504]


def _pass_over(stream: Reader, size: int) -> None:
    left = -(-size // _BLOCK) * _BLOCK
    while left:
        piece = stream.read(min(left, _PIECE))
        if not piece:
            raise InputError("expected a whole tar, got its end in the middle of an entry; get the archive again")
        left -= len(piece)
