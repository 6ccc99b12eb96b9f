"""Check OpenVINO's .xml and .bin files before OpenVINO reads them: plain XML, known operators, constants inside the .bin file.

OpenVINO gets XML that is written again from what was parsed here, so that two parsers can't read one file in two ways.
Source: OpenVINO documentation, the pages "OpenVINO IR format", "Constant" and "Parameter".
"""

from __future__ import annotations

import math
import os
import re
import stat
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.intake import visible

__all__ = ["checked_ir", "read_beside"]

_MOST_XML = 256 << 20
_MOST_WEIGHTS = 16 << 30
_MOST_ELEMENTS = 5_000_000
_MOST_DEPTH = 60
_MOST_VALUES, _MOST_SIDE = 1 << 31, 1 << 20
_VERSIONS = re.compile(r"opset\d{1,2}|type_relaxed_opset")
_BITS = {
    "f64": 64, "f32": 32, "f16": 16, "bf16": 16, "f8e4m3": 8, "f8e5m2": 8, "f8e8m0": 8, "f4e2m1": 4, "nf4": 4, "i64": 64, "i32": 32,
    "i16": 16, "i8": 8, "i4": 4, "u64": 64, "u32": 32, "u16": 16, "u8": 8, "u6": 6, "u4": 4, "u3": 3, "u2": 2, "u1": 1, "boolean": 8,
}  # fmt: skip
_FLOATS: dict[str, Any] = {"f64": np.float64, "f32": np.float32, "f16": np.float16}


def checked_ir(path: str | os.PathLike[str]) -> tuple[str, NDArray[np.uint8]]:
    """Check the model's files; return its XML, written again from what was parsed, and its weights from the .bin file next to it.

    Raises InputError for XML with a document type or entities, for operators of extensions, and for inputs of
    impossible size. A .bin file that is missing or is a link is refused. Constants outside the .bin file, of a
    wrong size, or with NaN are also refused.
    """
    shown = visible(path)
    if os.path.getsize(path) > _MOST_XML:
        raise InputError(
            f"expected OpenVINO's XML, got {os.path.getsize(path) >> 20} MiB in {shown}; no model's XML is so large"
        )
    root = _parsed(Path(path).read_bytes(), shown)
    if root.tag != "net":
        raise InputError(
            f"expected OpenVINO's XML with <net>, got <{visible(root.tag, most=40)}> in {shown}; pass a model"
        )
    layers = list(root.iter("layer"))
    constants = [layer for layer in layers if layer.get("type") == "Const"]
    weights = read_beside(Path(path).with_suffix(".bin"), shown) if constants else np.zeros(0, np.uint8)
    for layer in layers:
        _layer(layer, shown)
    for layer in constants:
        _constant(layer, weights, shown)
    return ElementTree.tostring(root, encoding="unicode"), weights


def read_beside(path: Path, shown: str) -> NDArray[np.uint8]:
    """Read the bytes of a regular file next to the model, which must not be a link."""
    told = f"expected the weights of the model {shown} in the file '{visible(path.name, most=100)}' beside it"
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        link = path.is_symlink()
        what = "a link, which is not followed; copy the file itself there" if link else "none; put it there"
        raise InputError(f"{told}, got {what}") from error
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_WEIGHTS:
            raise InputError(
                f"{told}, got no regular file of at most {_MOST_WEIGHTS >> 30} GiB; do not trust this model"
            )
        return np.frombuffer(file.read(), np.uint8)


def _parsed(data: bytes, shown: str) -> ElementTree.Element:
    """Parse an XML text into its elements, without a document type or entities."""

    def bad(what: str, advice: str) -> InputError:
        return InputError(f"expected OpenVINO's plain XML, got {what} in the file {shown}; {advice}")

    builder, depth, count = ElementTree.TreeBuilder(), 0, 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > _MOST_DEPTH or count > _MOST_ELEMENTS:
            raise bad("elements nested or repeated without end", "do not trust it")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(*_: Any) -> None:
        raise bad(
            "a document type or an entity", "no exporter writes document types or entities: do not trust this file"
        )

    parser = expat.ParserCreate(encoding="utf-8")
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse  # pyright: ignore[reportAttributeAccessIssue]
    try:
        parser.Parse(data, True)
        return builder.close()
    except InputError:
        raise
    except (expat.ExpatError, AssertionError, ValueError) as error:
        raise bad(
            f"text that is no XML ({visible(str(error), most=100)})", "it is cut off or broken: fetch it again"
        ) from error


def _layer(layer: ElementTree.Element, shown: str) -> None:
    kind, version = layer.get("type", ""), layer.get("version", "")
    if _VERSIONS.fullmatch(version) is None:
        raise InputError(
            f"expected only OpenVINO's own operators, got '{visible(kind, most=60)}' of '{visible(version, most=60)}' in {shown}; such "
            "operators are external code: export without them"
        )
    if kind == "Parameter":
        dims = [d for d in re.findall(r"-?\d+", _data(layer, shown).get("shape", "")) if not d.startswith("-")]
        sizes = [int(d) for d in dims[:32] if len(d) < 12] if all(len(d) < 12 for d in dims) else [_MOST_SIDE + 1]
        if any(d > _MOST_SIDE for d in sizes) or math.prod(d or 1 for d in sizes) > _MOST_VALUES:
            raise InputError(
                f"expected an input of images, got the shape {visible(str(dims[:8]), most=80)} in {shown}; no image has this shape"
            )


def _data(layer: ElementTree.Element, shown: str) -> ElementTree.Element:
    found = layer.findall("data")
    if len(found) != 1:
        name = visible(layer.get("name", ""), most=60)
        raise InputError(
            f"expected one <data> element in the layer '{name}', got {len(found)} in {shown}; the file is broken"
        )
    return found[0]


def _constant(layer: ElementTree.Element, weights: NDArray[np.uint8], shown: str) -> None:
    data, name = _data(layer, shown), visible(layer.get("name", ""), most=60)

    def bad(what: str) -> InputError:
        return InputError(
            f"expected the constant '{name}' to be inside the .bin of {shown}, got {what}; the file is cut off or broken"
        )

    kind, shape = data.get("element_type", ""), data.get("shape", "")
    numbers = [*shape.replace(" ", "").split(",")] if shape.strip() else []
    places = [data.get("offset", ""), data.get("size", "")]
    if kind not in _BITS or not all(n.isascii() and n.isdigit() and len(n) < 16 for n in (*numbers, *places)):
        raise bad(f"the type '{visible(kind, most=20)}' of shape '{visible(shape, most=60)}'")
    offset, size = map(int, places)
    if offset + size > len(weights):
        raise bad(f"bytes {offset} to {offset + size} of {len(weights)}")
    count = math.prod(map(int, numbers))
    if count > _MOST_VALUES or math.ceil(count * _BITS[kind] / 8) != size:
        raise bad(f"{size} bytes for a constant of shape ({visible(shape, most=60)}) and type {kind}")
    if kind in _FLOATS and np.isnan(np.frombuffer(weights[offset : offset + size].tobytes(), _FLOATS[kind])).any():
        raise InputError(f"expected numbers as weights, got NaN in '{name}' of {shown}; the model is broken")
