"""Recognise the format of a file by its first bytes, since names and suffixes can be wrong."""

from __future__ import annotations

__all__ = ["CONTAINERS", "declared_size", "kind_of"]

CONTAINERS = frozenset(["zip", "tar", "gzip", "bzip2", "xz", "zstd", "npy", "Parquet"])
"""Formats of files that contain many images."""

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x93NUMPY", "npy"),
    (b"PAR1", "Parquet"),
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"%PDF", "PDF"),
    (b"\x80\x02", "pickle"),
    (b"\x80\x03", "pickle"),
    (b"\x80\x04", "pickle"),
    (b"\x80\x05", "pickle"),
    (b"7z\xbc\xaf", "7z"),
    (b"Rar!", "RAR"),
    (b"\x89HDF", "HDF5"),
    (b"BM", "BMP"),
)


def kind_of(head: bytes) -> str | None:
    """The format of a file, given its first bytes (512 are enough); None if it is unknown.

    The result is an image format under Pillow's name, a container, or a format that is recognised only so that an error
    message can name it.

    >>> kind_of(b"%!PS-Adobe-3.0 EPSF-3.0"), kind_of(b"hello")
    ('PostScript', None)
    """
    if head[257:262] == b"ustar":
        return "tar"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if len(head) > 2 and head[:1] == b"P" and head[1:2] in b"123456fF" and head[2:3].isspace():
        return "PPM"
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if b"<svg" in head or b"<!DOCTYPE svg" in head:
        return "SVG"
    return "HTML" if head.lstrip()[:5].lower() in (b"<html", b"<!doc") else None


def declared_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in the header of a WebP file; None for other formats.

    WebP's decoder takes memory as soon as a file is opened, so the size must be checked earlier.

    Source: RFC 9649, sections 2.5 to 2.7.
    """
    if kind_of(data[:16]) != "WEBP" or len(data) < 30:
        return None
    chunk = data[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None
