"""Writes the repaired weights to a file of the given model's format. The code in this file runs in the confined
process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from doldrum.classifiers.base import Classifier
from doldrum.errors import ClassifierError, InputError
from doldrum.files import write_whole
from doldrum.gradients.onnx_weights import replace_weights
from doldrum.suspects import Suspect
from doldrum.suspects.modules import Prepared
from doldrum.suspects.onnx_check import checked_onnx
from doldrum.suspects.tensors import read_safetensors, read_state_dict

__all__ = ["check_format", "write_model"]

_WRITES = {"onnx": ".onnx", "safetensors": ".safetensors", "state dict": ".safetensors"}


def check_format(opened: Suspect, target: Path) -> None:
    """Raise InputError if doldrum cannot write the model's format, or if the output file has the wrong suffix."""
    if opened.format not in _WRITES:
        raise InputError(
            f"expected a model as ONNX or as weights, which can be written again, got {opened.format}; export it as ONNX"
        )
    if target.suffix != _WRITES[opened.format]:
        raise InputError(
            f"expected --out as a file that ends in {_WRITES[opened.format]} for a model in the format {opened.format}, got {target.suffix}; name another file"
        )


def write_model(opened: Suspect, repaired: Classifier, source: Path, target: Path) -> None:
    """Write the model in `source` with the repaired weights to `target`. The names and types of the weights, and the
    metadata, stay the same."""
    if opened.format == "onnx":
        _write_onnx(repaired, source, target)
        return
    tensors, metadata = read_safetensors(source) if opened.format == "safetensors" else (read_state_dict(source), {})
    part = next((one for one in repaired.module.modules() if isinstance(one, Prepared)), None)  # type: ignore[attr-defined]
    assert part is not None
    made = _renamed(tensors, part.model.state_dict())
    from safetensors.torch import save_file

    write_whole(target, lambda draft: save_file(made, str(draft), metadata={"format": "pt", **metadata}))


def _write_onnx(repaired: Classifier, source: Path, target: Path) -> None:
    """Write the original graph with new weights, so that inputs, outputs and metadata stay the same.

    Weights that were in other files are put into the new file.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_model(str(repaired.path), load_external_data=False).graph  # type: ignore[attr-defined]
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    model, _ = checked_onnx(source)
    replace_weights(model, weights)
    write_whole(target, lambda draft: draft.write_bytes(model.SerializeToString(deterministic=True)))


def _renamed(before: Mapping[str, torch.Tensor], after: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the tensors in `after`, but with the names and types of the tensors in `before`. The names in `before` may
    have a prefix that the names in `after` lack."""
    for prefix in _prefixes(next(iter(before))):
        if all(name.startswith(prefix) and name.removeprefix(prefix) in after for name in before):
            return {
                name: after[name.removeprefix(prefix)].detach().cpu().to(tensor.dtype).contiguous().clone()
                for name, tensor in before.items()
            }
    raise ClassifierError(
        "expected the same names of weights in the file and in the repaired model, got names that do not match; report this as a bug"
    )


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    for count in range(len(parts)):
        yield "".join(f"{part}." for part in parts[:count])
