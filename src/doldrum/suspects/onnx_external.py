"""Read the weights that an ONNX file keeps in files next to it, after checking where these files are and how long they are.

Source: onnx.proto, TensorProto.external_data; ONNX documentation, "External Data".
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from doldrum.errors import InputError
from doldrum.intake import visible
from doldrum.suspects.beside import is_bare_name

__all__ = ["WAY_OUT", "read_external"]

WAY_OUT = "convert it with OpenVINO (ovc MODEL --output_model model.xml), and pass model.xml"
_KEYS = {"location", "offset", "length", "checksum"}


def read_external(
    tensors: Iterable[Any], path: str | os.PathLike[str], *, widths: dict[int, float], most: int, shown: str
) -> bool:
    """Load into the tensors the data that the model stores in other files. Return whether any data was stored in other
    files.

    The files must be in the model's own folder, have a bare name, and be no links. A tensor's bytes must be inside its
    file, and their number must fit the tensor's type and shape. The total number of bytes must not be above `most`. If
    a file or a tensor breaks one of these rules, InputError is raised before any bytes are read.
    """
    plans = []
    total = 0
    for tensor in tensors:
        if not _outside(tensor):
            continue
        name, offset, length = _place(tensor, widths, shown)
        total += length
        if total > most:
            raise InputError(
                f"expected an ONNX model of at most 2 GiB with its weights, got more in {shown}; {WAY_OUT}"
            )
        plans.append((tensor, name, offset, length))
    files: dict[str, BinaryIO] = {}
    try:
        for tensor, name, offset, length in plans:
            if name not in files:
                files[name] = _open(Path(path).parent / name, name, shown)
            size = os.fstat(files[name].fileno()).st_size
            if offset + length > size:
                raise InputError(
                    f"expected {length} bytes at position {offset} for the tensor '{visible(tensor.name, most=60)}' of {shown}, got a file "
                    f"'{visible(name, most=100)}' of only {size} bytes; this file is cut off: fetch it again"
                )
        for tensor, name, offset, length in plans:
            files[name].seek(offset)
            tensor.raw_data = files[name].read(length)
            tensor.data_location = tensor.DEFAULT
            del tensor.external_data[:]
    finally:
        for file in files.values():
            file.close()
    return bool(plans)


def _outside(tensor: Any) -> bool:
    return tensor.data_location == tensor.EXTERNAL or len(tensor.external_data) > 0


def _place(tensor: Any, widths: dict[int, float], shown: str) -> tuple[str, int, int]:
    """The file, offset and length of a tensor's data. The length is computed from the tensor's type and shape. If the
    ONNX file states a length, it must equal the computed length."""
    told = f"the tensor '{visible(tensor.name, most=60)}'"

    def bad(what: str, advice: str) -> InputError:
        return InputError(f"expected a plain ONNX model, got a model with {told} {what} in {shown}; {advice}")

    keys = [entry.key for entry in tensor.external_data]
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = entries.get("location", "")
    if len(entries) < len(keys) or not set(keys) <= _KEYS or tensor.data_location != tensor.EXTERNAL:
        raise bad("kept in another file, with an impossible description of its place", "the file is broken or hostile")
    if not is_bare_name(name):
        where = visible(name, most=100)
        raise bad(
            f"kept in another file, '{where}'",
            "only files in the model's own folder are read: save the model as one file",
        )
    width = widths.get(tensor.data_type)
    count = math.prod(tensor.dims) if all(d >= 0 for d in tensor.dims) else -1
    if width is None or not 0 <= count <= 1 << 31 or tensor.ByteSize() > 1 << 16:
        raise bad(
            f"of shape {visible(str(list(tensor.dims)), most=60)} kept in another file",
            "no weight has such a type or shape",
        )
    length = math.ceil(count * width)
    numbers = [entries.get(key, default) for key, default in (("offset", "0"), ("length", str(length)))]
    if not all(n.isascii() and n.isdigit() and len(n) < 16 for n in numbers):
        raise bad(
            "kept in another file, with an offset or length that is not a number", "the file is broken or hostile"
        )
    if int(numbers[1]) != length:
        raise bad(
            f"that needs {length} bytes for its shape, but has {int(numbers[1])} bytes in another file",
            "the file is broken",
        )
    return name, int(numbers[0]), length


def _open(path: Path, name: str, shown: str) -> BinaryIO:
    """Open a regular file that is not a link."""
    told = f"'{visible(name, most=100)}'"
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        link = path.is_symlink()
        what = (
            "a link, which is not followed; copy the file itself there"
            if link
            else "no readable file; put the file there"
        )
        raise InputError(
            f"expected the weights of the model {shown} in the file {told} beside it, got {what}"
        ) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputError(
            f"expected the weights of the model {shown} in the file {told} beside it, got no regular file; do not trust this model"
        )
    return os.fdopen(handle, "rb")
