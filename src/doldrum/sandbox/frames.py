"""The format in which two processes exchange frames over a pipe: one byte for the kind, four bytes for the length, then JSON.

A frame of the kind BLOCK continues with eight bytes that give a second length, and raw bytes of this length. What a confined process sends may
be hostile. So a reader checks each length before it reads the bytes. If the text is not JSON, the reader always raises
`Nonsense`.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO, NamedTuple

__all__ = ["BLOCK", "ERROR", "MESSAGE", "VALUE", "Frame", "Nonsense", "Request", "read_frame", "write_frame"]

MESSAGE, VALUE, ERROR, BLOCK = b"m", b"v", b"e", b"b"
_HEAD, _SIZE = struct.Struct(">cI"), struct.Struct(">Q")


Request = tuple[Any, bytes]
"""A request or its answer: a JSON value and raw bytes."""


class Nonsense(Exception):
    """Raised if the bytes that a process sent are not a frame."""


class Frame(NamedTuple):
    """A frame: its kind, its JSON value, the JSON's size in bytes, and a block's raw bytes."""

    kind: bytes
    value: Any
    size: int
    data: bytes = b""


def write_frame(stream: BinaryIO, kind: bytes, value: Any, data: Any = None) -> None:
    r"""Write one frame to a stream. A frame of the kind BLOCK also has `data`, which is any buffer of bytes. Raises
    TypeError or ValueError if JSON can't hold the value.

    >>> import io
    >>> stream = io.BytesIO()
    >>> write_frame(stream, MESSAGE, [1]); stream.getvalue()
    b'm\x00\x00\x00\x03[1]'
    """
    text = json.dumps(value).encode()
    head = _HEAD.pack(kind, len(text)) + text
    if kind == BLOCK:
        raw = memoryview(data).cast("B")
        stream.write(head + _SIZE.pack(raw.nbytes))
        stream.write(raw)
    else:
        stream.write(head)
    stream.flush()


def read_frame(stream: BinaryIO, most: int) -> Frame | None:
    """Read the next frame of a stream. The result is None at the end of the stream. Raises Nonsense if the bytes are
    not a frame, or if the JSON or the raw bytes have more than `most` bytes.

    >>> import io
    >>> read_frame(io.BytesIO(b"m\\x00\\x00\\x00\\x03[1]"), most=100)
    Frame(kind=b'm', value=[1], size=3, data=b'')
    """
    head = stream.read(_HEAD.size)
    if not head:
        return None
    if len(head) < _HEAD.size:
        raise Nonsense("half a frame")
    kind, size = _HEAD.unpack(head)
    if kind not in (MESSAGE, VALUE, ERROR, BLOCK):
        raise Nonsense("bytes that are not a frame")
    text = _exactly(stream, size, most)
    data = b""
    if kind == BLOCK:
        (length,) = _SIZE.unpack(_exactly(stream, _SIZE.size, most))
        data = _exactly(stream, length, most)
    try:
        return Frame(kind, json.loads(text), size, data)
    except (ValueError, RecursionError) as error:
        raise Nonsense("an answer that is not JSON") from error


def _exactly(stream: BinaryIO, size: int, most: int) -> bytes:
    if size > most:
        raise Nonsense(f"an answer of {size} bytes, but at most {most} bytes are allowed")
    data = stream.read(size)
    if len(data) < size:
        raise Nonsense("half an answer")
    return data
