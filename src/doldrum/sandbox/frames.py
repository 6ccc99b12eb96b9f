"""How two processes talk over a pipe: one byte of kind, four of length, then JSON.

What comes out of a confined process is hostile: a length is checked before anything is read, and what is no JSON is
nonsense, not an exception of another kind.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

__all__ = ["ERROR", "MESSAGE", "VALUE", "Nonsense", "read_frame", "write_frame"]

MESSAGE, VALUE, ERROR = b"m", b"v", b"e"
_HEAD = struct.Struct(">cI")


class Nonsense(Exception):
    """Not a frame."""


def write_frame(stream: BinaryIO, kind: bytes, value: Any) -> None:
    r"""Write one frame; TypeError or ValueError for what JSON can't hold.

    >>> import io
    >>> stream = io.BytesIO()
    >>> write_frame(stream, MESSAGE, [1]); stream.getvalue()
    b'm\x00\x00\x00\x03[1]'
    """
    data = json.dumps(value).encode()
    stream.write(_HEAD.pack(kind, len(data)) + data)
    stream.flush()


def read_frame(stream: BinaryIO, most: int) -> tuple[bytes, Any, int] | None:
    """The next frame's kind, value and size in bytes, or None at the end; Nonsense for all else.

    >>> import io
    >>> read_frame(io.BytesIO(b"m\\x00\\x00\\x00\\x03[1]"), most=100)
    (b'm', [1], 3)
    """
    head = stream.read(_HEAD.size)
    if not head:
        return None
    if len(head) < _HEAD.size:
        raise Nonsense("half a frame")
    kind, size = _HEAD.unpack(head)
    if kind not in (MESSAGE, VALUE, ERROR):
        raise Nonsense("bytes that are no answer")
    if size > most:
        raise Nonsense(f"an answer of {size} bytes, where {most} are allowed")
    data = stream.read(size)
    if len(data) < size:
        raise Nonsense("half an answer")
    try:
        return kind, json.loads(data), size
    except (ValueError, RecursionError) as error:
        raise Nonsense("an answer that is no JSON") from error
