"""Check zip files that hold a model of torch, TorchScript, torch.export or skops. Only the table of contents of a zip is read."""

from __future__ import annotations

import os
import zipfile

from doldrum.errors import InputError

__all__ = ["KERAS", "checked_zip", "read_member", "zip_kind"]

KERAS = "if you trust it, load it with Keras, which may run its code, and pass what model.export('model.onnx', format='onnx') writes"
_MOST_MEMBERS = 100_000
_MOST_BYTES = 16 << 30
_MOST_RATIO, _FREE = 100, 64 << 20


def checked_zip(path: str | os.PathLike[str], shown: str) -> list[zipfile.ZipInfo]:
    """Check the number, names and sizes of a zip's members, and return them.

    Raises InputError if the table of contents is broken, if a name leads outside the archive, or if the zip unpacks to more than a hundred times
    its size. Two members with the same name are refused too, because two programs might then read different files.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, UnicodeError) as error:
        raise InputError(f"expected a model, got {shown}, a zip that is cut off or broken; fetch it again") from error
    names = [member.filename for member in members]
    if len(names) > _MOST_MEMBERS:
        raise InputError(f"expected a model, got {shown}, a zip with {len(names)} members; no model has so many")
    if len(set(names)) < len(names):
        raise InputError(f"expected a model, got {shown}, a zip that holds one name twice; do not trust it")
    if any(n.startswith(("/", "\\")) or ".." in n.replace("\\", "/").split("/") for n in names):
        raise InputError(
            f"expected a model, got {shown}, a zip with a path that leads outside its folder; do not trust it"
        )
    total, size = sum(member.file_size for member in members), os.path.getsize(path)
    if total > _MOST_BYTES or total > max(_MOST_RATIO * size, _FREE):
        raise InputError(
            f"expected a model, got {shown}, a zip that unpacks to {total >> 20} MiB; do not trust this zip bomb"
        )
    return members


def zip_kind(path: str | os.PathLike[str], shown: str) -> str:
    """The kind of model in a zip: "torch", "torchscript", "pt2" or "skops"; InputError for any other zip."""
    names = [member.filename for member in checked_zip(path, shown)]
    inner = {name.partition("/")[2] for name in names}
    if "schema.json" in names:
        return "skops"
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        return "torchscript"
    exported = {"serialized_exported_program.json", "serialized_exported_program.pt", "archive_format"}
    if exported & (inner | set(names)) or any(name.startswith("models/") for name in inner):
        return "pt2"
    if "data.pkl" in inner:
        return "torch"
    if "model.weights.h5" in names or {"config.json", "metadata.json"} <= set(names):
        raise InputError(f"expected a model, got a Keras model in {shown}; {KERAS}")
    if any(name.endswith((".onnx", ".safetensors")) for name in names):
        raise InputError(f"expected a model, got {shown}, a zip with a model in it; unpack it, and pass that file")
    raise InputError(
        f"expected a model as ONNX or safetensors, got {shown}, a zip with other content; pass the model itself"
    )


def read_member(path: str | os.PathLike[str], member: zipfile.ZipInfo, *, most: int, shown: str) -> bytes:
    """Read the bytes of one member of a zip; InputError if there are more than `most`, or if the member is broken."""
    if member.file_size > most:
        raise InputError(
            f"expected a model, got {shown}, a zip whose table of tensors takes {member.file_size >> 20} MiB; do not trust this zip"
        )
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            return file.read(most + 1)[:most]
    except Exception as error:  # zlib's and zipfile's errors on broken data share no base
        raise InputError(f"expected a model, got {shown}, a zip that is cut off or broken; fetch it again") from error
