"""Read zip archives one entry at a time. Nothing is written to disk."""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Iterator
from typing import IO

from doldrum.errors import InputError
from doldrum.intake.base import ImageLimits, Picture, Skipped
from doldrum.intake.members import folder_label, picture_or_why, sniffed
from doldrum.intake.streams import Budget
from doldrum.intake.text import visible

__all__ = ["open_zip", "read_entry", "zip_pictures"]

_END, _END64, _END64_AT = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)  # LZMA's header may ask for 4 GiB of memory
_LINK, _REGULAR = stat.S_IFLNK, (0, stat.S_IFREG)


def open_zip(file: IO[bytes], limits: ImageLimits) -> zipfile.ZipFile:
    """Open a zip. The size of the zip's table of contents is checked before the table is read. Raises InputError."""
    size = _directory_size(file)
    if size > limits.directory_bytes:
        raise InputError(
            f"expected a zip whose table of contents has at most {limits.directory_bytes} bytes, got {size}; split the zip"
        )
    try:
        file.seek(0)
        return zipfile.ZipFile(file)
    except Exception as error:  # a damaged table of contents raises what it likes
        raise InputError(f"expected a whole zip, got {visible(str(error))}; get the zip again") from error


def zip_pictures(file: IO[bytes], budget: Budget, limits: ImageLimits) -> Iterator[Picture | Skipped]:
    """The images of a zip, in the order of its table of contents. An image's class is the name of its folder."""
    with open_zip(file, limits) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            try:
                data = read_entry(archive, info, budget, most=limits.member_bytes, peek=True)
            except InputError as error:
                if budget.spent:
                    raise
                yield Skipped(visible(info.filename), str(error))
            else:
                label = folder_label(info.filename)
                yield picture_or_why(info.filename, data, label=label, limits=limits)


def read_entry(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget, *, most: int, peek: bool = False
) -> bytes:
    """Read the bytes of one entry in a zip. `most` is the maximum number of bytes.

    If `peek` is true and the entry does not look like an image, only the first 512 bytes of the entry are returned.

    Raises InputError for an entry that is a link, encrypted, too long or damaged, or uses an unsupported compression
    method.
    """
    check_entry(info)
    if info.file_size > most:
        raise InputError(f"expected at most {most} bytes, got {info.file_size}; make the file smaller")
    try:
        with archive.open(info) as member:
            data = member.read(512)
            if not (peek and sniffed(data)):
                data += member.read(most + 1 - len(data))
    except Exception as error:  # damaged entries raise what they like
        raise InputError(
            f"expected a whole entry, got {visible(str(error)) or 'its end'}; get the zip again"
        ) from error
    budget.take(len(data))
    return data


def check_entry(info: zipfile.ZipInfo) -> None:
    """Raise InputError for an entry that must not be opened."""
    if info.flag_bits & 0x1:
        raise InputError("expected a readable entry, got an encrypted one; decrypt it first")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in _REGULAR:
        what = "a link" if kind == _LINK else "a special file"
        raise InputError(f"expected a file, got {what}, which is not followed; leave out this file")
    if info.compress_type not in _METHODS:
        raise InputError(
            f"expected an entry that is stored, deflated or packed with bzip2, got compression method {info.compress_type}; pack it again"
        )


def _directory_size(file: IO[bytes]) -> int:
    """The size of the table of contents in bytes, according to the record at the end of the file.

    Source: PKWARE APPNOTE 6.3.10, sections 4.3.14 to 4.3.16.
    """
    end = file.seek(0, 2)
    start = max(0, end - 22 - 65535 - 20)
    file.seek(start)
    tail = file.read(22 + 65535 + 20)
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        raise InputError("expected a whole zip, got one without its end; get the zip again")
    size = struct.unpack_from("<I", tail, at + 12)[0]
    locator = at - 20
    if locator >= 0 and tail[locator : locator + 4] == _END64_AT:
        file.seek(min(struct.unpack_from("<Q", tail, locator + 8)[0], end))
        record = file.read(56)
        if len(record) < 56 or record[:4] != _END64:
            raise InputError("expected a whole zip64, got one whose end is damaged; get the zip again")
        size = max(size if size != 0xFFFFFFFF else 0, struct.unpack_from("<Q", record, 40)[0])
    if size > end:
        raise InputError(
            f"expected a zip's table of contents inside the file, got one of {size} bytes; get the zip again"
        )
    return size
