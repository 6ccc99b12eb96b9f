"""Read tensors from safetensors files and from torch's state dict files. Each file is checked before it is read."""

from __future__ import annotations

import json
import math
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doldrum.errors import InputError, check_memory_left, missing_extra
from doldrum.intake import visible
from doldrum.suspects.pickles import OLD_TORCH, callables_in, is_state_dict, missing_class
from doldrum.suspects.zips import checked_zip, read_member

if TYPE_CHECKING:
    import torch

__all__ = [
    "checked_header",
    "pickle_broken",
    "pickle_refused",
    "read_safetensors",
    "read_state_dict",
    "tensors_of",
]

_MOST_HEADER = 16 << 20
_MOST_TENSORS = 100_000
_MOST_TABLE = 64 << 20
_SIZES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4,
    "U32": 4, "F32": 4, "F64": 8, "I64": 8, "U64": 8,
}  # fmt: skip
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights", "params")


def checked_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Check and return the header of a safetensors file: {name: {dtype, shape, data_offsets}} and "__metadata__".

    The header's length is compared with the file's length before the header is read. Every tensor's shape and position are compared with the
    bytes in the file. InputError unless all agree.
    """
    shown, size = visible(path), os.path.getsize(path)

    def broken(why: str) -> InputError:
        return InputError(f"expected a safetensors file, got the file {shown}, {why}; the file is broken or hostile")

    with open(path, "rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= size - 8:
            raise broken(f"whose header claims a length of {length} bytes, while {max(size - 8, 0)} bytes follow")
        if length > _MOST_HEADER:
            raise broken(f"whose header has {length >> 20} MiB, but at most {_MOST_HEADER >> 20} MiB are allowed")
        text = file.read(length)
    try:
        header = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise broken("whose header is no JSON, or names a tensor twice") from error
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
        raise broken("whose header does not list tensors")
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if len(tensors) > _MOST_TENSORS:
        raise broken(f"which names {len(tensors)} tensors")
    end = 0
    for name, entry in sorted(tensors.items(), key=lambda item: _begin(item[1])):
        known = _extent(entry)
        if known is None or known[0] != end:
            raise broken(f"whose tensor '{visible(name, most=60)}' has an impossible type, shape or position")
        end = known[1]
    if end != size - 8 - length:
        raise broken(f"whose tensors take {end} bytes, while the file has {size - 8 - length} bytes for tensors")
    return header


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _begin(entry: Any) -> int:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    first = offsets[0] if isinstance(offsets, list) and offsets else -1
    return first if isinstance(first, int) else -1


def _extent(entry: Any) -> tuple[int, int] | None:
    if not isinstance(entry, dict) or entry.get("dtype") not in _SIZES:
        return None
    shape, offsets = entry.get("shape"), entry.get("data_offsets")
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2 or len(shape) > 16:
        return None
    if not all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 1 << 48 for n in (*shape, *offsets)):
        return None
    return (offsets[0], offsets[1]) if offsets[1] - offsets[0] == math.prod(shape) * _SIZES[entry["dtype"]] else None


def read_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read a safetensors file; return its tensors by name, and its metadata."""
    header = checked_header(path)
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise missing_extra("safetensors", "torch", error) from error
    try:
        tensors = load_file(str(Path(path)))
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        why = visible(str(error), most=200)
        raise InputError(f"expected a safetensors file, got {visible(path)}: {why}; the file is broken") from error
    return tensors, {str(k): str(v) for k, v in header.get("__metadata__", {}).items()}


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """Read tensors by name from a torch file with `weights_only`, if its pickle names nothing except tensors.

    Raises InputError for a pickle that names anything except tensors. The message names what the pickle would call.
    """
    shown = visible(path)
    with open(path, "rb") as file:
        old = file.read(len(OLD_TORCH)) == OLD_TORCH
        data = OLD_TORCH + file.read(_MOST_TABLE) if old else _table(path, shown)
    if not is_state_dict(data):
        raise pickle_refused(data, shown)
    import torch

    try:
        found = torch.load(str(path), map_location="cpu", weights_only=True, mmap=False)
    except Exception as error:  # a broken file raises many unrelated types
        check_memory_left(error)
        why = visible(str(error).partition("\n")[0], most=200)
        raise InputError(
            f"expected a state dict, got {shown}, which can't be read ({why}); the file is broken"
        ) from error
    return tensors_of(found, shown)


def _table(path: str | os.PathLike[str], shown: str) -> bytes:
    """The bytes of the pickle inside a zip file that torch saved."""
    members = checked_zip(path, shown)
    tables = [m for m in members if m.filename.endswith("/data.pkl") or m.filename == "data.pkl"]
    if len(tables) != 1 or any(m.compress_type for m in members):
        raise InputError(
            f"expected a state dict as torch.save writes it, got a zip of other contents in {shown}; do not trust this file"
        )
    return read_member(path, tables[0], most=_MOST_TABLE, shown=shown)


def pickle_refused(data: bytes, shown: str) -> InputError:
    """The error for a pickle that is not trusted. The message names the first function call in the
    pickle that a plain state dict would not contain."""
    odd = [name for name in callables_in(data) if not name.startswith(("collections.OrderedDict", "torch._utils._re"))]
    names = f" that calls {odd[0]}" if odd else ""
    return InputError(
        f"expected weights only, got a pickle{names} in {shown}, which runs its author's code when it is loaded; ask for ONNX "
        "or safetensors, or pass trust_pickle=True if you trust programs from the same source"
    )


def pickle_broken(path: str | os.PathLike[str], kind: str, why: Exception, shown: str) -> InputError:
    """The error for a trusted pickle that can't be loaded. The message names the missing class and its module, or else the reason."""
    data = b""
    if kind == "torch":
        tables = [m for m in checked_zip(path, shown) if m.filename.endswith("data.pkl")]
        data = read_member(path, tables[0], most=_MOST_TABLE, shown=shown) if tables else b""
    else:
        with open(path, "rb") as file:
            data = file.read(_MOST_TABLE)
    module, name = missing_class(data) or ("", "")
    if not module:
        text = visible(str(why).strip().partition("\n")[0], most=200)
        return InputError(f"expected a pickle, got {shown}, which can't be read ({text}); the file is broken")
    where = f"put the folder with {module.partition('.')[0]}.py (or its package) on PYTHONPATH"
    if module == "__main__":
        where = "the class was defined in the script that saved it: define it in a module, and save again"
    return InputError(
        f"expected a pickle whose classes can be imported, got the file {shown}, which needs the class {name} of the module {module}; {where}, or "
        "save only a state dict and pass arch="
    )


def tensors_of(found: Any, shown: str) -> dict[str, torch.Tensor]:
    """Return the state dict inside an object that a training script saved. The dicts around the state dict are
    removed."""
    import torch

    for _ in range(3):
        inside = [found[key] for key in _WRAPPERS if isinstance(found, dict) and isinstance(found.get(key), dict)]
        found = inside[0] if inside else found
    if not isinstance(found, dict) or not found or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise InputError(
            f"expected a state dict (tensors by name), got another object in {shown}; save model.state_dict()"
        )
    return {str(name): tensor for name, tensor in found.items()}
