"""Find out what kind of model a file is from its bytes, because names and suffixes can be wrong."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO

from doldrum.errors import InputError
from doldrum.intake import visible
from doldrum.intake.kinds import kind_of
from doldrum.suspects.beside import IR_START
from doldrum.suspects.zips import KERAS, zip_kind

__all__ = ["model_kind", "refused"]

_STARTS = (
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file itself with: git lfs pull"),
    (b"GGUF", "a GGUF file, a language model", "pass an image classifier"),
    (b"\x7fELF", "a program", "do not trust the source of this file"),
    (b"MZ", "a program", "do not trust the source of this file"),
    (b"#!", "a script", "do not trust the source of this file"),
    (b"\xcf\xfa\xed\xfe", "a program", "do not trust the source of this file"),
)
_OVC = "convert it with OpenVINO (ovc {} --output_model model.xml), and pass model.xml"
_KINDS = {
    "HDF5": ("an HDF5 file (Keras?)", KERAS),
    "gzip": ("a compressed file (joblib?)", "unpack the file, and pass the model in it"),
    "xz": ("a compressed file (joblib?)", "unpack the file, and pass the model in it"),
    "bzip2": ("a compressed file (joblib?)", "unpack the file, and pass the model in it"),
    "zstd": ("a compressed file", "unpack the file, and pass the model in it"),
    "tar": ("a tar archive", "if you trust the archive, unpack it, and pass the model in it"),
    "HTML": ("a web page", "download the file itself"),
    "Parquet": ("a Parquet table", "pass images with --images"),
    "npy": ("an array", "pass images with --images"),
}
# Fields of ONNX' ModelProto and their wire types: varint 0, length-delimited 2.
_ONNX_FIELDS = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 0}
_PICKLE_PROTOCOL_0 = (b"cos\n", b"cposix\n", b"cbuiltins\n", b"c__builtin__\n", b"(i", b"(c", b"ccopy_reg\n")


def model_kind(path: str | os.PathLike[str]) -> str:
    """The kind of the file or folder at `path`: "onnx", "openvino", "tflite", "safetensors", "torch", "torchscript", "pt2", "pickle",
    "skops" or "huggingface" (a folder).

    Only a few hundred bytes of a file are read. For a zip file, the table of contents is read too. For an ONNX file,
    the tags of the outermost fields are read too.

    Raises InputError for any other kind, for a path that does not exist, and for anything that is not a regular file.
    If doldrum recognises the kind, the message names this kind.
    """
    shown = visible(path)
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise InputError(f"expected a model file, got {shown}, which can't be read; check the path") from error
    if stat.S_ISDIR(found.st_mode):
        return _folder(Path(path), shown)
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"expected a model file, got {shown}, which is a device, pipe or socket; pass a file")
    try:
        with open(path, "rb") as file:
            head = file.read(512)
            return _file(file, head, found.st_size, shown, path)
    except OSError as error:
        raise InputError(
            f"expected a model file, got {shown}, which can't be read ({error.strerror}); check the file"
        ) from error


def refused(what: str, shown: str, advice: str) -> InputError:
    """The error for a file of a kind that doldrum does not open."""
    return InputError(
        f"expected a model as ONNX, OpenVINO, TensorFlow Lite or safetensors, got {what} in {shown}; {advice}"
    )


def _file(file: BinaryIO, head: bytes, size: int, shown: str, path: str | os.PathLike[str]) -> str:
    if not size:
        raise refused("an empty file", shown, "fetch it again")
    length = struct.unpack("<Q", head[:8])[0] if len(head) >= 8 else 0
    if head[8:9] == b"{" and (length <= size - 8 or head[9:10] in b' \n\r\t"}'):
        return "safetensors"
    for start, what, advice in _STARTS:
        if head.startswith(start):
            raise refused(what, shown, advice)
    if head[4:8] == b"TFL3":
        return "tflite"
    if IR_START.match(head):
        return "openvino"
    if head[4:8] == b"ORTM":
        raise refused("an ONNX Runtime file (.ort)", shown, "pass the .onnx file from which the .ort file was made")
    kind = kind_of(head)
    if kind == "zip":
        return zip_kind(path, shown)
    if kind == "pickle" or head.startswith(_PICKLE_PROTOCOL_0):
        return "pickle"
    # no magic number: a ModelProto is told by its fields, and any other kind's first bytes would have to fit by chance
    if _is_onnx(file, size):
        return "onnx"
    if kind is not None:
        what, advice = _KINDS.get(kind, (f"{kind}", "pass a model"))
        raise refused(what, shown, advice)
    if Path(path).suffix == ".pdmodel":
        raise refused("a PaddlePaddle model", shown, _OVC.format("FILE.pdmodel"))
    raise refused("a file of an unknown kind, or a broken file", shown, "check the file, or export the model again")


def _is_onnx(file: BinaryIO, size: int) -> bool:
    """Whether the outermost fields of a file are fields of an ONNX ModelProto, and one of these fields is a graph. The
    fields' contents are not read."""
    position, graph = 0, False
    for _ in range(10_000):
        if position == size:
            return graph
        file.seek(position)
        window = file.read(24)
        tag, after = _varint(window, 0)
        if _ONNX_FIELDS.get(tag >> 3) != tag & 7:
            return graph and position > 0
        value, after = _varint(window, after)
        if after < 0:
            return graph
        position += after + (value if tag & 7 == 2 else 0)
        graph = graph or tag >> 3 == 7
        if position > size:
            return graph  # cut off: ONNX' own parser says so
    return False


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """Read the integer (a Protobuf varint) that begins at the position `start`. Return the integer and the position
    after its last byte, or (0, -1) if there is no integer."""
    value = 0
    for i in range(10):
        if start < 0 or start + i >= len(data):
            return 0, -1
        value |= (data[start + i] & 0x7F) << 7 * i
        if data[start + i] < 0x80:
            return value, start + i + 1
    return 0, -1


def _folder(path: Path, shown: str) -> str:
    if (path / "adapter_config.json").exists():
        raise refused(
            "an adapter, which is not a whole model,", shown, "merge it into its base model, and save the merged model"
        )
    if (path / "config.json").is_file():
        return "huggingface"
    if (path / "saved_model.pb").exists():
        raise refused("a TensorFlow SavedModel", shown, _OVC.format("FOLDER"))
    if any(path.glob("*.pdmodel")):
        raise refused("a PaddlePaddle model", shown, _OVC.format("FILE.pdmodel"))
    raise InputError(
        f"expected a model file, or a Hugging Face folder with config.json, got the folder {shown}; pass a file in it"
    )
