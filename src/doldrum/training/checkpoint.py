"""Checkpoints: safetensors files with a JSON header, never pickle. A file that doldrum did not write is refused."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from doldrum.classifiers.adapters.module import ModuleClassifier
from doldrum.errors import InputError
from doldrum.files import write_whole
from doldrum.networks import CHECKPOINT_FORMAT as FORMAT
from doldrum.networks import build, check_network

__all__ = ["FORMAT", "TrainedClassifier", "load_checkpoint", "read_tensors", "save_checkpoint", "write_tensors"]

_KEY = "doldrum"
_MAX_HEADER = 16 << 20
_MAX_VALUES = 1 << 28  # a network of a GiB of floats; a small header can't be made to ask for more


class TrainedClassifier(ModuleClassifier):
    """A network from `train` or `load_checkpoint`, with its training history and metadata.

    `history` holds one mapping per epoch: epoch, loss, accuracy, lr, seconds.
    """

    def __init__(
        self, module: nn.Module, *, metadata: Mapping[str, Any], history: list[dict[str, Any]] | None = None
    ) -> None:
        shape = metadata["input_shape"]
        super().__init__(
            module,
            input_shape=(shape[0], shape[1], shape[2]),
            num_classes=metadata["num_classes"],
            outputs="logits",
        )
        self.metadata: dict[str, Any] = dict(metadata)
        self.history: list[dict[str, Any]] = list(history if history is not None else metadata.get("history", []))

    def with_module(self, module: nn.Module) -> TrainedClassifier:
        return TrainedClassifier(module, metadata=self.metadata, history=self.history)

    def save(self, path: str | Path) -> Path:
        """Write a checkpoint that `load_checkpoint` can read. If there is already a file at `path`, this file is
        replaced in one step."""
        return save_checkpoint(path, self.module, {**self.metadata, "history": self.history})


def save_checkpoint(path: str | Path, model: nn.Module, metadata: Mapping[str, Any]) -> Path:
    """Write `model`'s weights and `metadata` as safetensors.

    `metadata` must have only values that JSON can hold. The keys `network` (a name that `build` knows), `input_shape`
    and `num_classes` are required.
    """
    missing = [key for key in ("network", "input_shape", "num_classes") if key not in metadata]
    if missing:
        raise InputError(
            f"expected metadata with the keys {', '.join(missing)}, got the keys {sorted(metadata)}; add the missing keys"
        )
    return write_tensors(path, model.state_dict(), {"format": FORMAT, **metadata})


def load_checkpoint(path: str | Path) -> TrainedClassifier:
    """Read a checkpoint that doldrum wrote. No code from the file is run.

    Raises InputError if the file is missing, is not safetensors, was not written by doldrum, has another format
    version, or names an unknown network. InputError is also raised if the names, shapes or types of the tensors differ
    from the network's tensors, or if values are not finite.
    """
    tensors, metadata = read_tensors(path, FORMAT)
    name, shape, classes = (metadata.get(key) for key in ("network", "input_shape", "num_classes"))
    try:
        name = check_network(name)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    sizes = shape if isinstance(shape, list) and len(shape) == 3 else []
    if not sizes or not all(_is_count(size, high=4096) for size in sizes):
        raise InputError(f"expected input_shape (channels, height, width), got {shape!r} in {path}; the file is broken")
    if not isinstance(classes, int) or not _is_count(classes, high=32767):
        raise InputError(f"expected num_classes from 2 to 32767, got {classes!r} in {path}; the file is broken")
    with torch.device("meta"):  # shapes first: nothing is allocated for a size that a hostile header names
        expected = build(name, input_shape=(sizes[0], sizes[1], sizes[2]), num_classes=classes).state_dict()
    _match(expected, tensors, path)
    model = build(name, input_shape=(sizes[0], sizes[1], sizes[2]), num_classes=classes)
    model.load_state_dict(tensors)
    history = metadata.get("history")
    return TrainedClassifier(
        model.to(memory_format=torch.channels_last),  # pyright: ignore[reportCallIssue]
        metadata={**metadata, "input_shape": tuple(sizes)},
        history=history if isinstance(history, list) else [],
    )


def write_tensors(path: str | Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> Path:
    """Write tensors and a JSON header to `path`. If the process is killed, `path` holds either the complete old file or
    the complete new file."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    content = save(plain, metadata={_KEY: json.dumps(metadata, default=str)})

    def write(draft: Path) -> None:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    return write_whole(path, write)


def read_tensors(path: str | Path, kind: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read the tensors and the JSON header of a file that `write_tensors` wrote. In the header, `format` must have the
    value `kind`."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"expected a checkpoint at {path}, got no file; check the path")
    with path.open("rb") as file:
        start = file.read(8)
    header = struct.unpack("<Q", start)[0] if len(start) == 8 else _MAX_HEADER + 1
    if header > min(_MAX_HEADER, path.stat().st_size - 8):
        raise InputError(
            f"expected a safetensors checkpoint, got {path}, which is another kind of file; pass a file that doldrum saved"
        )
    try:
        with safe_open(str(path), framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY, "null")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
        metadata = json.loads(text)
    except (SafetensorError, ValueError, RecursionError, OSError) as error:
        raise InputError(f"expected a safetensors checkpoint, got {path}: {error}; the file is broken") from error
    found = metadata.get("format") if isinstance(metadata, dict) else None
    if found != kind:
        raise InputError(
            f"expected a file of format {kind}, got {found!r} in {path}; pass a file that this version saved"
        )
    return tensors, metadata


def _is_count(value: Any, *, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= high


def _match(expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor], path: str | Path) -> None:
    if sum(tensor.numel() for tensor in expected.values()) > _MAX_VALUES:
        raise InputError(
            f"expected a network of at most {_MAX_VALUES} values, got more values in {path}, so doldrum did not train it; pass a file that doldrum saved"
        )
    odd = sorted(expected.keys() ^ found.keys())
    if odd:
        raise InputError(
            f"expected the tensors of the network that the file names, got a missing or unknown tensor {odd[0]!r} in {path}"
        )
    for name, tensor in expected.items():
        got = found[name]
        if got.shape != tensor.shape or got.dtype != tensor.dtype:
            want, have = (f"{t.dtype} {tuple(t.shape)}" for t in (tensor, got))
            raise InputError(f"expected the tensor {name} as {want}, got {have} in {path}; the file is broken")
        if got.is_floating_point() and not torch.isfinite(got).all():
            raise InputError(
                f"expected finite weights, got NaN or infinity in {name} of {path}; train the network again"
            )
