"""Find out which files next to a model hold its weights, by reading the model's bytes directly, without a library.

Source: onnx.proto (ModelProto to TensorProto.external_data); Protocol Buffers documentation, "Encoding"; OpenVINO, "OpenVINO IR format".
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doldrum.errors import InputError
from doldrum.intake import visible

__all__ = ["IR_START", "is_bare_name", "weights_beside"]

IR_START = re.compile(rb"(\xef\xbb\xbf)?\s*<(\?xml|net\b)")
"""The first bytes of an OpenVINO file."""
_MOST_FIELDS = 5_000_000
# Where messages with tensors are in a message: its field's number -> what is in there.
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


def weights_beside(model: Path) -> list[str]:
    """The sorted names of the files in the model's folder that hold its weights, whether they exist or not.

    The weights of an OpenVINO .xml file are in the .bin file of the same name. An ONNX file names the files of its
    external data. Names that lead out of the folder are left out, since opening the model refuses them. For a file that
    is neither OpenVINO nor ONNX, the list is empty.

    Raises InputError for an ONNX file with more fields than any model has.
    """
    if not model.is_file():
        return []
    with model.open("rb") as file:
        if IR_START.match(file.read(512)):
            return [model.with_suffix(".bin").name] if model.suffix != ".bin" else []
        if not model.stat().st_size:
            return []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data.find(b"location") < 0:  # the key that each place of external data has: most files have none
                return []
            return sorted({name for name in _locations(data, visible(model)) if is_bare_name(name)})


def is_bare_name(name: str) -> bool:
    """Whether `name` is the bare name of a file, without a folder.

    >>> [is_bare_name(name) for name in ("weights.data", "../weights.data", "..", "")]
    [True, False, False, False]
    """
    return bool(name) and name not in (".", "..") and not any(c in name for c in "/\\:\0")


def _locations(data: Any, shown: str) -> Iterator[str]:
    """Yield the file names in the field `location` of all tensors with external data. Names are found only as far as
    the bytes can be read as a ModelProto."""
    left, count = [("model", 0, len(data))], 0
    while left:
        what, start, end = left.pop()
        entry: dict[int, bytes] = {}
        for number, first, last in _fields(data, start, end):
            count += 1
            if what == "entry":
                entry[number] = data[first : min(last, first + 4096)]
            elif number in _INSIDE[what]:
                left.append((_INSIDE[what][number], first, last))
            if count > _MOST_FIELDS:
                raise InputError(
                    f"expected a model, got a file with more than {_MOST_FIELDS:,} fields in {shown}; do not trust it"
                )
        if entry.get(1) == b"location":
            yield entry.get(2, b"").decode("utf-8", "replace")


def _fields(data: Any, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (field number, start, end) for every field of type bytes between the positions `at` and `end`. Stop at
    bytes that are not part of a Protobuf message.

    The fields inside a group are treated as fields of the message itself. So some fields may be checked that need no
    check, but no field is missed.
    """
    while at < end:
        tag, at = _varint(data, at, end)
        kind = tag & 7
        if at < 0:
            return
        if kind == _BYTES:
            size, at = _varint(data, at, end)
            if at < 0 or at + size > end:
                return
            yield tag >> 3, at, at + size
            at += size
        elif kind == _VARINT:
            _, at = _varint(data, at, end)
            if at < 0:
                return
        elif kind in (_EIGHT, _FOUR):
            at += 8 if kind == _EIGHT else 4
        elif kind > _FOUR:
            return


def _varint(data: Any, at: int, end: int) -> tuple[int, int]:
    """Read the integer (a Protobuf varint) that begins at the position `at`. Return the integer and the position after
    its last byte; the position is -1 if there is no integer."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at, value = at + 1, value | (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return 0, -1
