"""Check the file that a command will write, before any work. The file must not replace an input of the
command. It may replace an existing file only if this file is of the kind that the command writes."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from doldrum.errors import InputError
from doldrum.files import check_file_writable
from doldrum.locks import check_out_apart

if TYPE_CHECKING:
    from doldrum.opening import ModelSettings

__all__ = ["CHECKPOINT", "DETECTOR", "JSON", "JUNIT", "PNG", "POISONED", "SARIF", "WATCH", "Kind", "check_out_file"]

_MOST = 16 << 20


class Kind(NamedTuple):
    """A kind of file that a command writes. `words` names the kind. `is_one` says whether an existing file is of this
    kind, so that the file may be replaced."""

    words: str
    is_one: Callable[[Path], bool]


def check_out_file(
    out: Path,
    kind: Kind,
    *,
    flag: str = "--out",
    model: ModelSettings | None = None,
    images: Iterable[str] = (),
    files: Iterable[str | Path | None] = (),
) -> None:
    """Raise InputError unless a file of this kind can be written to `out` without harm to any other file.

    `out` must not be a file of the model, one of `images`, or one of the `files` that the command also reads. If one of
    `images` is a folder, `out` must not be in this folder. If there is already a file at `out`, this file must be empty
    or of the kind `kind`.
    """
    check_file_writable(out, flag=flag)
    read = [(source, "the images") for source in images] + [(file, "the input") for file in files if file is not None]
    if model is not None:
        read += [(part, "the model") for part in _parts(model)]
        read += [(model.labels, "the list of labels")] if model.labels is not None else []
    for path, what in read:
        if _same(out, path):
            raise InputError(f"expected another file for {flag} than for {what}, got {out} for both; name another file")
    for source in images:
        check_out_apart(source, out, flag=flag)
    if model is not None and not model.remote and model.path.is_dir() and out.resolve().is_relative_to(model.path):
        raise InputError(
            f"expected a file outside the model's folder {model.path} for {flag}, got {out}; name another file"
        )
    if out.is_file() and out.stat().st_size and not _is_one(kind, out):
        raise InputError(
            f"expected a new file for {flag}, or {kind.words} that may be replaced, got the file {out}, which holds something else; name another file"
        )


def _parts(model: ModelSettings) -> list[Path]:
    """The paths of the model's file, and of the files next to it that may hold its weights, whether they exist or not."""
    from doldrum.suspects.beside import weights_beside

    if model.remote:
        return []
    return [Path(model.model), model.path, *(model.path.parent / name for name in weights_beside(model.path))]


def _same(one: Path, other: str | Path) -> bool:
    """Whether two paths name one file, directly or through links. If a file does not exist yet, only the paths are compared."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return os.path.realpath(one) == os.path.realpath(other)


def _is_one(kind: Kind, path: Path) -> bool:
    try:
        return kind.is_one(path)
    except Exception:  # each reader raises its own for bytes of another kind
        return False


def _is_detector(path: Path) -> bool:
    with zipfile.ZipFile(path) as file:
        return "detector.json" in file.namelist()


def _is_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1 << 12).lstrip()[:1] in (b"{", b"[")


def _is_png(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"\x89PNG\r\n\x1a\n"


def _is_sarif(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(1 << 12)
    return head.lstrip()[:1] == b"{" and b"sarif" in head


def _is_junit(path: Path) -> bool:
    with path.open("rb") as file:
        return b"<testsuite" in file.read(1 << 12)


def _is_watch(path: Path) -> bool:
    found: Any = json.loads(path.read_bytes()[:_MOST])
    return found["format"] == "doldrum watch"


def _is_checkpoint(path: Path) -> bool:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        found: Any = json.loads(file.read(min(length, _MOST)))
    return "doldrum" in found["__metadata__"]


def _is_poisoned(path: Path) -> bool:
    with zipfile.ZipFile(path) as file:
        return {"poisoned.npy", "cover.npy", "attack.npy"} <= set(file.namelist())


DETECTOR = Kind("a detector's file", _is_detector)
JSON = Kind("a JSON file", _is_json)
PNG = Kind("a PNG picture", _is_png)
SARIF = Kind("a SARIF file", _is_sarif)
JUNIT = Kind("a JUnit file", _is_junit)
WATCH = Kind("a watch file of doldrum serve", _is_watch)
CHECKPOINT = Kind("a doldrum checkpoint", _is_checkpoint)
POISONED = Kind("a poisoned set from doldrum poison", _is_poisoned)
