"""The usual preprocessings, the flags that select them, and a way to try them on a classifier that was opened with another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.suspects.base import Preprocessing

__all__ = ["Candidate", "Resize", "emulated", "flags_of", "name_of", "usual_candidates"]

Resize = Literal["stretch", "crop"]
Values = tuple[float, tuple[float, ...], tuple[float, ...]]  # scale, mean, std; RGB

_COLOUR: dict[str, Values] = {
    "[0, 1]": (1.0, (0.0,), (1.0,)),
    "ImageNet mean and std": (1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "[-1, 1]": (1.0, (0.5,), (0.5,)),
    "[0, 255]": (255.0, (0.0,), (1.0,)),
    "0 to 255 minus ImageNet mean": (255.0, (123.68, 116.779, 103.939), (1.0,)),
    "CIFAR-10 mean and std": (1.0, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}
_GREY: dict[str, Values] = {
    "[0, 1]": (1.0, (0.0,), (1.0,)),
    "[-1, 1]": (1.0, (0.5,), (0.5,)),
    "[0, 255]": (255.0, (0.0,), (1.0,)),
    "MNIST mean and std": (1.0, (0.1307,), (0.3081,)),
    "Fashion-MNIST mean and std": (1.0, (0.2860,), (0.3530,)),
}
_SAME = 0.02  # values of a model's input that differ by less, relative to their spread, are one candidate


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One preprocessing to try. With `layout` "nhwc", the model's input values are ordered as if channels came last."""

    name: str
    preprocessing: Preprocessing
    resize: Resize
    layout: Literal["nchw", "nhwc"] = "nchw"


def usual_candidates(
    opened: Preprocessing,
    *,
    resize: Resize,
    more: Sequence[tuple[str, Preprocessing]] = (),
    fixed_range: bool = False,
    open_layout: bool = False,
) -> list[Candidate]:
    """The candidate preprocessings that use the method `resize`. First comes the preprocessing in use, then come those
    in `more`, then the usual preprocessings, the most common first.

    With `fixed_range`, the model takes bytes or clips its input, so only the order of channels can be tried. Candidates that are almost the
    same as an earlier one are left out.

    >>> grey = Preprocessing(size=28, channels="grey")
    >>> [c.name for c in usual_candidates(grey, resize="stretch")][:3]
    ['[0, 1]', '[-1, 1]', '[0, 255]']
    """
    found = [Candidate(name=name_of(opened), preprocessing=opened, resize=resize)]
    orders = ("grey",) if opened.channels == "grey" else ("rgb", "bgr")
    usual = [(name, p) for name, p in more if p.input_shape == opened.input_shape and not fixed_range]
    if fixed_range:
        usual += [("", replace(opened, channels=order)) for order in orders if order != opened.channels]  # pyright: ignore[reportArgumentType]
    else:
        table = _GREY if opened.channels == "grey" else _COLOUR
        usual += [("", _made(opened, values, order)) for order in orders for values in table.values()]
    for name, preprocessing in usual:
        if not any(_same(preprocessing, c.preprocessing) for c in found):
            found.append(Candidate(name=name or name_of(preprocessing), preprocessing=preprocessing, resize=resize))
    if open_layout and opened.channels != "grey":
        found += [replace(c, name=f"{c.name}, channels last", layout="nhwc") for c in found]
    return found


def name_of(preprocessing: Preprocessing) -> str:
    """The preprocessing in words: the usual name of its values, or its numbers, and the order of channels."""
    p = preprocessing
    table = _GREY if p.channels == "grey" else _COLOUR
    order = "" if p.channels == "grey" else f", {p.channels.upper()}"
    for name, values in table.items():
        if _same(p, _made(p, values, p.channels)):
            return name + order
    return f"{f'{p.scale:g} x pixel, ' if p.scale != 1 else ''}mean {_listed(p.mean)}, std {_listed(p.std)}{order}"


def flags_of(candidate: Candidate, *, opened: Preprocessing, resize: Resize) -> str:
    """The flags that the user must add to open the model with the candidate preprocessing; "" if no flag has to change.

    >>> opened = Preprocessing(size=224)
    >>> wanted = Preprocessing(size=224, mean=(103.939, 116.779, 123.68), scale=255, channels="bgr")
    >>> flags_of(Candidate(name="", preprocessing=wanted, resize="stretch"), opened=opened, resize="stretch")
    '--scale 255 --mean 103.939,116.779,123.68 --std 1 --channels bgr'
    """
    wanted, flags = candidate.preprocessing, []
    if (wanted.scale, wanted.mean, wanted.std) != (opened.scale, opened.mean, opened.std):
        if wanted.scale != 1 or opened.scale != 1:
            flags.append(f"--scale {wanted.scale:g}")
        flags += [f"--mean {_listed(wanted.mean)}", f"--std {_listed(wanted.std)}"]
    if wanted.channels != opened.channels:
        flags.append(f"--channels {wanted.channels}")
    if candidate.resize != resize:
        flags.append(f"--resize {candidate.resize}")
    return " ".join(flags)


def emulated(images: NDArray[np.float32], candidate: Candidate, opened: Preprocessing) -> NDArray[np.float32]:
    """Change images so that the opened model gets the same input values as it would get with the candidate preprocessing.

    The model was opened with scale s0, mean m0 and std d0, and the candidate has s1, m1 and d1. Images x become x', with
    (s0 x' - m0) / d0 = (s1 x - m1) / d1. Images are float32 (B, C, H, W). The changed images may be outside [0, 1].
    """
    wanted = candidate.preprocessing
    if candidate.layout == "nchw" and wanted == opened:
        return images
    scale, mean, std = _columns(wanted)
    values = (scale * _ordered(images.astype(np.float64), wanted) - mean) / std
    if candidate.layout == "nhwc":
        values = values.transpose(0, 2, 3, 1).reshape(values.shape)
    scale, mean, std = _columns(opened)
    return np.ascontiguousarray(_ordered((values * std + mean) / scale, opened), dtype=np.float32)


def _columns(p: Preprocessing) -> tuple[float, Any, Any]:
    return p.scale, np.reshape(p.mean, (-1, 1, 1)), np.reshape(p.std, (-1, 1, 1))


def _ordered(images: Any, p: Preprocessing) -> Any:
    return images[:, ::-1] if p.channels == "bgr" else images


def _made(opened: Preprocessing, values: Values, order: str) -> Preprocessing:
    scale, mean, std = values
    if order == "bgr":
        mean, std = mean[::-1], std[::-1]
    return replace(opened, scale=scale, mean=mean, std=std, channels=order)  # pyright: ignore[reportArgumentType]


def _same(one: Preprocessing, other: Preprocessing) -> bool:
    """Whether two preprocessings turn black and white pixels into almost the same input values."""
    if one.channels != other.channels:
        return False
    ends = [[(scale * x - mean) / std for x in (0.0, 1.0)] for scale, mean, std in (_columns(one), _columns(other))]
    far = np.abs(np.subtract(*(np.stack(np.broadcast_arrays(*e)) for e in ends)))
    return bool((far <= _SAME * np.abs(ends[0][1] - ends[0][0])).all())


def _listed(values: Sequence[float]) -> str:
    return ",".join(f"{v:.6g}" for v in values)
