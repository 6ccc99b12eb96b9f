"""Read IDX files, the format of MNIST and similar data sets, plain or gzipped."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError

__all__ = ["read_idx"]

_LARGEST = 1 << 31  # bytes; the largest published IDX file is a fiftieth of it
_PIECE = 1 << 22


def read_idx(path: str | Path) -> NDArray[Any]:
    """The array in an IDX file of unsigned bytes, with the shape that the header gives.

    Raises InputError if the header is not IDX, or if the file is shorter or longer than its header says. A gzipped file
    is unpacked only up to the size in its header, and a size above a limit is refused.

    Source: the format description on the MNIST page (magic 0, 0, type, number of axes; big-endian sizes).
    """
    path = Path(path)
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] != 8 or not 1 <= head[3] <= 4:
                raise InputError(f"expected an IDX file of unsigned bytes at {path}, got header {head!r}")
            sizes = file.read(4 * head[3])
            if len(sizes) < 4 * head[3]:
                raise InputError(f"expected {head[3]} sizes of axes in the header of {path}, got the end of the file")
            shape = struct.unpack(f">{head[3]}I", sizes)
            total = math.prod(shape)
            if not 0 < total <= _LARGEST:
                raise InputError(f"expected 1 to {_LARGEST} bytes in {path}, got a header that says {total}")
            data = _read(file.read, total + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"expected a readable IDX file at {path}, got {error}; fetch the file again") from error
    if len(data) != total:
        raise InputError(
            f"expected {total} bytes in {path}, got {'more' if len(data) > total else len(data)}; fetch the file again"
        )
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _read(read: Callable[[int], bytes], most: int) -> bytes:
    """Read bytes in pieces, so that a false size in the header costs no memory.

    `most` is the maximum number of bytes.
    """
    pieces, left = [], most
    while left and (piece := read(min(left, _PIECE))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
