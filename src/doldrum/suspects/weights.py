"""Build a torch module from an architecture and weights by name. Names and shapes of all weights must fit the architecture exactly."""

from __future__ import annotations

import importlib
import inspect
import json
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from doldrum.errors import InputError, check_memory_left
from doldrum.intake import visible
from doldrum.networks import CHECKPOINT_FORMAT, NETWORKS, build, check_network
from doldrum.suspects.base import Preprocessing, class_names_of

__all__ = ["our_metadata", "with_weights"]

_MOST_VALUES = 1 << 30


def our_metadata(metadata: Mapping[str, str], shown: str) -> dict[str, Any] | None:
    """The metadata of a doldrum checkpoint: network, input_shape, num_classes, class_names (or None). If doldrum did
    not save the file, the result is None."""
    try:
        found = json.loads(metadata.get("doldrum", "null"))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"expected a checkpoint, got {shown}, whose metadata is no JSON; the file is broken"
        ) from error
    if not isinstance(found, dict) or found.get("format") != CHECKPOINT_FORMAT:
        return None
    shape, classes = found.get("input_shape"), found.get("num_classes")
    fine = isinstance(shape, list) and len(shape) == 3 and all(type(n) is int and 1 <= n <= 4096 for n in shape)
    if not fine or type(classes) is not int or not 2 <= classes <= 32767:
        raise InputError(
            f"expected a checkpoint, got {shown}, whose input_shape or num_classes is impossible; the file is broken"
        )
    names = class_names_of(found.get("class_names"), classes)
    if names == tuple(str(k) for k in range(classes)):  # the names of a set that has none
        names = None
    return {
        "network": check_network(found.get("network")), "input_shape": tuple(shape), "num_classes": classes,  # pyright: ignore[reportArgumentType]
        "class_names": names,
    }  # fmt: skip


def with_weights(
    tensors: Mapping[str, torch.Tensor],
    arch: str,
    *,
    input_shape: tuple[int, int, int] | None,
    num_classes: int | None,
    trust_code: bool,
    shown: str,
) -> tuple[nn.Module, Preprocessing | None, str]:
    """Build the network `arch` with these weights, in evaluation mode. Return the network, its usual normalisation, and the removed prefix.

    Wrappers may add a prefix to all names ("module.", "model.", "net.backbone."). The prefix is removed if the weights
    of the network itself have no such prefix. Shapes are compared on torch's meta device first, where a network takes
    no memory. Raises InputError if names, shapes or number types (float or integer) differ from those of the network,
    or if a weight is not finite.
    """
    if sum(tensor.numel() for tensor in tensors.values()) > _MOST_VALUES:
        raise InputError(
            f"expected a model with at most {_MOST_VALUES} weights, got more in {shown}; export it as ONNX"
        )
    if ":" in arch:
        module = _from_code(arch, input_shape=input_shape, num_classes=num_classes, trust_code=trust_code)
        prefix, tensors = _fitting(tensors, module.state_dict())
        _fill(module, tensors, arch, shown)
        return module, None, prefix
    check_network(arch)
    if input_shape is None:
        raise InputError(f"expected the size of images for {arch}, got none; pass size=")
    why: InputError | None = None
    for classes in [num_classes] if num_classes else _counts(tensors):
        for whole in (True, False):  # with our own first layer, or the bare architecture as its author has it
            with torch.device("meta"):
                shapes = _part(arch, input_shape, classes, whole).state_dict()
            prefix, named = _fitting(tensors, shapes)
            try:
                _compare(shapes, named, arch, shown)
            except InputError as error:
                why = why or error
                continue
            module = _part(arch, input_shape, classes, whole)
            _fill(module, named, arch, shown)
            return module, None if whole else _usual(module, input_shape), prefix
    raise why or InputError(f"expected weights of {arch} in {shown}, got weights that do not fit it; check --arch")


def _fitting(tensors: Mapping[str, torch.Tensor], wanted: Mapping[str, Any]) -> tuple[str, Mapping[str, torch.Tensor]]:
    """Remove a prefix that the names of all weights share, so that as many names as possible are names in the network.
    It may be best to remove only the first part of the prefix, or nothing. Return the removed part and the renamed
    weights."""
    prefix, best = "", ("", tensors)
    most = len(wanted.keys() & tensors.keys())
    while True:
        first = next(iter(tensors), "").partition(".")[0] + "."
        if not all(name.startswith(first) and len(name) > len(first) for name in tensors) or not tensors:
            return best
        prefix += first
        tensors = {name.removeprefix(first): tensor for name, tensor in tensors.items()}
        fit = len(wanted.keys() & tensors.keys())
        if fit > most or (fit == most and not most):
            most, best = fit, (prefix, tensors)


def _part(arch: str, shape: tuple[int, int, int], classes: int, whole: bool) -> nn.Module:
    network = build(arch, input_shape=shape, num_classes=classes)
    return network if whole else network[1]  # pyright: ignore[reportIndexIssue]


def _counts(tensors: Mapping[str, torch.Tensor]) -> Iterator[int]:
    """Yield possible numbers of classes: the lengths of the vectors among the weights. The last vector comes first,
    since the classification head is usually last."""
    found = [t.shape[0] for t in reversed(list(tensors.values())) if t.ndim == 1 and 2 <= t.shape[0] <= 32767]
    yield from list(dict.fromkeys(found))[:32]


def _usual(module: nn.Module, shape: tuple[int, int, int]) -> Preprocessing | None:
    """The usual normalisation of a timm architecture, or None if the architecture names no normalisation."""
    usual = getattr(module, "pretrained_cfg", None) or {}
    if shape[0] != 3 or "mean" not in usual or "std" not in usual:
        return None
    return Preprocessing(size=(shape[1], shape[2]), mean=tuple(usual["mean"]), std=tuple(usual["std"]))


def _from_code(arch: str, *, input_shape: Any, num_classes: Any, trust_code: bool) -> nn.Module:
    if not trust_code:
        known = ", ".join(sorted(NETWORKS))
        raise InputError(
            f"expected an architecture among {known} or timm/NAME, got '{visible(arch)}', which is code; pass "
            "trust_code=True if you trust it"
        )
    name, _, function = arch.partition(":")
    try:
        make = getattr(importlib.import_module(name), function)
        takes = inspect.signature(make).parameters
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        why, first = visible(str(error), most=200), name.partition(".")[0]
        advice = "check the name"
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == first:
            advice = (
                f"modules are looked for among installed packages and on PYTHONPATH, not in the working folder: put the folder with "
                f"{visible(first, most=60)}.py (or its package) on PYTHONPATH"
            )
        elif isinstance(error, ModuleNotFoundError):
            advice = f"install {visible(error.name or 'it', most=60)}, which {visible(name, most=60)} imports"
        raise InputError(
            f"expected an architecture as 'package.module:function', got '{visible(arch)}' ({why}); {advice}"
        ) from error
    except Exception as error:  # the module is the user's, and raises what it likes as it is imported
        raise _failed(error, f"the module of arch={visible(arch)} to be imported") from error
    known = {"input_shape": input_shape, "num_classes": num_classes}
    try:
        module = make(**{key: value for key, value in known.items() if key in takes and value is not None})
    except Exception as error:
        raise _failed(error, f"the function arch={visible(arch)} to make the network") from error
    if not isinstance(module, nn.Module):
        raise InputError(
            f"expected {visible(arch)} to give an nn.Module, got {type(module).__name__}; name another function"
        )
    return module.eval()


def _failed(error: Exception, expected: str) -> InputError:
    """The InputError for an exception in the user's own code. The message names the exception and its line. If the
    exception is a lack of memory, an error about memory is raised instead."""
    check_memory_left(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    why = visible(f"{type(error).__name__}: {error}".partition("\n")[0], most=200)
    where = visible(f"{Path(last.filename).name} line {last.lineno}", most=80)
    return InputError(
        f"expected {expected}, got the error {why} ({where}); correct the code at this line; the function gets `input_shape` and `num_classes` if it has such parameters"
    )


def _compare(shapes: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor], arch: str, shown: str) -> None:
    odd = sorted(shapes.keys() ^ tensors.keys())
    if odd:
        which = "lacks" if odd[0] in shapes else "has"
        raise InputError(
            f"expected the weights of the architecture {arch}, got the file {shown}, which {which} '{visible(odd[0], most=80)}' "
            f"({len(odd)} names differ); check --arch"
        )
    for name, want in shapes.items():
        got = tensors[name]
        if got.shape != want.shape or got.is_floating_point() != want.is_floating_point():
            raise InputError(
                f"expected the weight {visible(name, most=80)} of shape {tuple(want.shape)} as in {arch}, got a weight of type {got.dtype} and shape "
                f"{tuple(got.shape)} in {shown}; check --arch, --size and the number of classes"
            )


def _fill(module: nn.Module, tensors: Mapping[str, torch.Tensor], arch: str, shown: str) -> None:
    _compare(module.state_dict(), tensors, arch, shown)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InputError(f"expected finite weights, got NaN or infinity in '{visible(name, most=80)}' of {shown}")
    module.load_state_dict(dict(tensors))
    module.eval()
