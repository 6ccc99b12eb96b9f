"""Open a Hugging Face folder with an image classifier, using only the code of the transformers library and safetensors weights.

The library gets a new folder with only the weights and a configuration of plain values. This folder has no remote code, adapters, external
kernels or quantisation plug-ins. The transformers library is also set to offline mode.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doldrum.errors import InputError, check_memory_left, missing_extra
from doldrum.intake import visible
from doldrum.suspects.base import Preprocessing
from doldrum.suspects.tensors import checked_header

if TYPE_CHECKING:
    from torch import nn

__all__ = ["open_folder", "read_json"]

_MOST_JSON = 4 << 20
_MOST_NUMBER = 1 << 20
_MOST_LAYERS = 1000
_MOST_LIST = 40_000
_REFUSED = {
    "auto_map": "a model with its own code (auto_map)",
    "custom_pipelines": "a model with its own code (custom_pipelines)",
    "quantization_config": "a quantised model",
    "kernel_config": "external kernels (kernel_config)",
    "use_kernels": "external kernels (use_kernels)",
    "adapter_kwargs": "an adapter",
    "peft_config": "an adapter",
}
_DROPPED = {"_name_or_path", "name_or_path", "torchscript", "transformers_version", "_commit_hash", "label2id"}
_DROPPED_STARTS = ("_attn", "attn_impl", "_experts", "experts_impl", "_flash", "tp_plan", "base_model_", "distributed")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file of at most a few megabytes."""
    shown = visible(path)
    try:
        if not path.is_file() or path.stat().st_size > _MOST_JSON:
            raise InputError(f"expected a JSON file of at most {_MOST_JSON >> 20} MiB, got {shown}; check the file")
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"expected a JSON file, got {shown}, which is not JSON; the file is broken") from error
    if not isinstance(found, dict):
        raise InputError(f"expected a JSON object in {shown}, got {type(found).__name__}; the file is broken")
    return found


def open_folder(
    folder: str | os.PathLike[str], *, preprocessing: Preprocessing | None
) -> tuple[nn.Module, Preprocessing, Any, list[str]]:
    """Open the folder; return the network in evaluation mode, its preprocessing, its `id2label`, and notes.

    Raises InputError if a file other than `config.json`, `preprocessor_config.json` and `model.safetensors` would have to be loaded. Also
    refused are architectures for which the library itself has no image classifier, and weights that don't fit the architecture.
    """
    root, shown = Path(folder), visible(folder)
    config = _checked(read_json(root / "config.json"), shown)
    weights = root / "model.safetensors"
    if not weights.is_file():
        others = [
            p.name for p in sorted(root.glob("*"))[:1000] if p.suffix in (".bin", ".pt", ".pth", ".h5", ".msgpack")
        ]
        parts = "weights in several parts" if (root / "model.safetensors.index.json").exists() else None
        got = parts or (f"{visible(others[0], most=80)}, which is a pickle or another format" if others else "none")
        raise InputError(
            f"expected model.safetensors in {shown}, got {got}; save the model again as one safetensors file"
        )
    header = checked_header(weights)
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] not in ("F32", "F16", "BF16", "F64", "I64", "I32", "BOOL"):
            raise InputError(
                f"expected weights as floats, got {entry['dtype']} in {shown}; save the model without quantisation"
            )
    notes = [f"{p.name} was not read" for p in sorted(root.glob("*.py"))[:3]]
    model = _load(config, weights, shown)
    if preprocessing is None:
        preprocessing = _preprocessing(root, config, shown, notes)
    return model, preprocessing, config.get("id2label"), [visible(note) for note in notes]


def _checked(config: dict[str, Any], shown: str) -> dict[str, Any]:
    """Check that the configuration has only plain values of plausible size, and return it without unneeded fields."""
    left: list[tuple[str, Any, int]] = [("", config, 0)]
    while left:
        key, value, depth = left.pop()
        if depth > 6:
            raise InputError(
                f"expected a plain configuration, got a configuration nested without end in {shown}; do not trust it"
            )
        if isinstance(value, dict):
            for name, inner in value.items():
                if name in _REFUSED and inner:
                    raise InputError(
                        f"expected a plain model, got {_REFUSED[name]} in the folder {shown}; export the model as ONNX"
                    )
                left.append((name, inner, depth + 1))
        elif isinstance(value, list):
            if len(value) > _MOST_LIST:
                raise InputError(
                    f"expected a plain configuration, got a list of {len(value)} values in the folder {shown}; do not trust this folder"
                )
            left.extend((key, inner, depth + 1) for inner in value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            most = _MOST_LAYERS if re.search("layers|depth|blocks|stages", key) else _MOST_NUMBER
            if not -most <= value <= most:
                raise InputError(
                    f"expected a plausible value of '{visible(key, most=60)}' in the configuration, got the value {visible(repr(value), most=40)} in the folder {shown}; do not trust this folder"
                )
        elif isinstance(value, str) and "attn_implementation" in key and "/" in value:
            raise InputError(
                f"expected a plain model, got external kernels ({visible(value, most=60)}) in {shown}; export it as ONNX"
            )
    kept = {k: v for k, v in config.items() if k not in _DROPPED and not k.startswith(_DROPPED_STARTS)}
    return kept


def _load(config: dict[str, Any], weights: Path, shown: str) -> nn.Module:
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and len(names) == 1 else None
    kind = config.get("model_type")
    transformers, known = _library()
    possible = known.get(kind) if isinstance(kind, str) else None
    possible = (possible,) if isinstance(possible, str) else tuple(possible or ())
    if not isinstance(name, str) or name not in possible or kind == "timm_wrapper":
        got = f"{visible(repr(name), most=60)} of type {visible(repr(kind), most=40)}"
        raise InputError(
            f"expected an image classifier that the transformers library itself has, got {got} in {shown}; export it as ONNX"
        )
    folder = tempfile.mkdtemp(prefix="doldrum-hf-")
    try:
        (Path(folder) / "config.json").write_text(json.dumps(config))
        os.symlink(weights.resolve(), Path(folder) / "model.safetensors")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, info = getattr(transformers, name).from_pretrained(
                folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, attn_implementation="eager",
                output_loading_info=True, dtype="float32",
            )  # fmt: skip
    except Exception as error:  # the library raises many unrelated types for what doesn't fit
        check_memory_left(error)
        why = visible(str(error).replace(folder, shown).strip().partition("\n")[0], most=300)
        raise InputError(
            f"expected weights that fit config.json in {shown}, got {why}; the folder is broken"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if info.get(what):
            first = visible(str(sorted(map(str, info[what]))[0]), most=100)
            got = f"{len(info[what])} {what.replace('_', ' ')} ({first})"
            raise InputError(f"expected weights that fit config.json in {shown}, got {got}; the folder is broken")
    import torch

    for key, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InputError(f"expected finite weights, got NaN or infinity in '{visible(key, most=80)}' of {shown}")
    return model.eval()


def _library() -> tuple[Any, Any]:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when the library is first imported
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import transformers
            from transformers.models.auto.modeling_auto import (  # pyright: ignore[reportMissingImports]
                MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as KNOWN,
            )
    except (ImportError, RuntimeError) as error:
        raise missing_extra("transformers", "transformers", error) from error
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers, KNOWN


def _preprocessing(root: Path, config: dict[str, Any], shown: str, notes: list[str]) -> Preprocessing:
    path = root / "preprocessor_config.json"
    channels: Any = "grey" if config.get("num_channels") == 1 else "rgb"
    if not path.is_file():
        size = config.get("image_size")
        if size is None:
            raise InputError(f"expected preprocessor_config.json in {shown}, got none; pass size=")
        notes.append(
            "there is no preprocessor_config.json; pixels were passed in [0, 1]. If the model expects other values, pass mean= and std="
        )
        sides: Any = size if isinstance(size, int) else tuple(size)
        return Preprocessing(size=sides, channels=channels)
    found = read_json(path)
    if found.get("auto_map"):
        raise InputError(f"expected a plain preprocessor, got its own code (auto_map) in {shown}; pass size=")
    crops = bool(found.get("do_center_crop")) and found.get("crop_size") is not None
    size = found.get("crop_size") if crops else found.get("size", config.get("image_size"))
    if isinstance(size, dict):
        size = (size.get("height"), size.get("width")) if "height" in size else size.get("shortest_edge")
    if size is None or (isinstance(size, tuple) and None in size):
        raise InputError(f"expected a size in preprocessor_config.json of {shown}, got none; pass size=")
    rescaled = found.get("rescale_factor", 1 / 255) if found.get("do_rescale", True) else 1.0
    mean: Any
    std: Any
    mean, std = (found.get("image_mean"), found.get("image_std")) if found.get("do_normalize", True) else (0.0, 1.0)
    if not isinstance(rescaled, (int, float)) or isinstance(rescaled, bool) or not 0 < rescaled <= 1:
        raise InputError(
            f"expected a rescale_factor from 0 to 1, got {visible(repr(rescaled), most=40)} in {shown}; pass size="
        )
    if mean is None or std is None:
        notes.append(
            "preprocessor_config.json has no image_mean or image_std; 0.5 was used for both, which is the library's default"
        )
        mean, std = 0.5, 0.5
    sides: Any = size if isinstance(size, int) else tuple(size)
    plain = Preprocessing(size=sides, mean=mean, std=std, channels=channels)
    scale = 255 * rescaled  # the model's values are pixels / 255 * scale
    return plain if abs(scale - 1) < 1e-6 else replace(plain, scale=scale)
