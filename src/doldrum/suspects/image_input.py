"""Find out how a model's input takes images: their layout and their preprocessing. The rules are the same for every model format."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from doldrum.errors import ClassifierError, InputError
from doldrum.intake import visible
from doldrum.suspects.base import Preprocessing

__all__ = ["KINDS", "ROUNDED", "ImageInput", "image_input", "whole_side"]

KINDS = {"uint8": (0, 255), "int8": (-128, 127), "int32": (0, 255), "int64": (0, 255)}
"""The types of whole numbers that a model may take as pixels, with their smallest and largest values."""
ROUNDED = (
    "the model takes whole numbers: noisy images are rounded and clipped to bytes before they reach it, like any 8-bit image. So W (the label entropy "
    "under noise) is measured with this rounding as a part of the model"
)


@dataclass(frozen=True)
class ImageInput:
    """A model's input for images. Sizes that the file leaves open are None. For an input of shape (N, D), `values` is
    D."""

    name: str
    layout: Literal["nchw", "nhwc", "nhw", "flat"]
    kind: str
    batch: int | None
    channels: int | None = None
    height: int | None = None
    width: int | None = None
    values: int | None = None

    @property
    def whole(self) -> bool:
        """Whether the input takes whole numbers."""
        return self.kind in KINDS

    def told(self) -> list[str]:
        """Sentences for the user about the steps that were added before the model's input."""
        return {
            "nchw": [],
            "nhwc": ["the model takes channels last; a transpose was put before it"],
            "nhw": ["the model takes grey images without a channel axis (N, H, W)"],
            "flat": [
                "the model takes rows of pixels (images, pixels); images were laid out channel by channel, then row by row"
            ],
        }[self.layout] + ([ROUNDED] if self.whole else [])

    def preprocessing(
        self, given: Preprocessing | None, said: Mapping[str, Any], *, shown: str, notes: list[str]
    ) -> Preprocessing:
        """Return the `given` preprocessing, fitted to the model's input. If no preprocessing is given, make one from
        the shapes in the file and from `said`, the file's metadata (`size`, `mean`, `std`, `order`).

        If the model takes whole numbers, pixels are 0 to 255 (-128 to 127 for int8). Raises InputError if the sizes
        don't fit the file, or if they are neither given nor in the file.
        """
        if given is None:
            given = self._from_file(said, shown, notes)
        else:
            self._check(given, shown)
        if self.whole and given.scale == 1:
            signed = self.kind == "int8" and not any(given.mean)
            given = replace(given, scale=255.0, **({"mean": (128.0,)} if signed else {}))
            if signed:
                notes.append(
                    "the model takes int8; pixels were passed as values from 0 to 255, minus 128. If the model expects other values, pass mean= and scale="
                )
        return given

    def _check(self, given: Preprocessing, shown: str) -> None:
        want = (self.channels, self.height, self.width)
        if any(side is not None and side != said for side, said in zip(want, given.input_shape, strict=True)):
            told = ", ".join("?" if side is None else str(side) for side in want)
            raise InputError(
                f"expected images of shape ({told}), which {shown} requires, got images of shape {given.input_shape} (channels, height, width); {self._advice(given)}"
            )
        if self.values is not None and math.prod(given.input_shape) != self.values:
            raise InputError(
                f"expected images of {self.values} values (channels x height x width), which {shown} requires, got images of shape {given.input_shape} (channels, height, width); "
                "pass another size"
            )

    def _advice(self, given: Preprocessing) -> str:
        """Advice on what to pass if the given sizes don't fit the file."""
        parts: list[str] = []
        if self.channels not in (None, given.input_shape[0]):
            known = {1: "channels='grey'", 3: "channels='rgb' or channels='bgr'"}
            parts.append(f"pass {known[self.channels]}" if self.channels in known else "it is not an image model")
        height, width = (want or said for want, said in zip((self.height, self.width), given.size, strict=True))
        if (height, width) != given.size:
            fixed = None not in (self.height, self.width)
            parts.append("leave size= out" if fixed else f"pass a size= that fits, such as size=({height}, {width})")
        return " and ".join(parts)

    def _from_file(self, said: Mapping[str, Any], shown: str, notes: list[str]) -> Preprocessing:
        channels, height, width = self.channels, self.height, self.width
        if self.values is not None:
            side, channels = _square(self.values)
            height = width = side
        size = said.get("size")
        size = size if isinstance(size, (list, tuple)) and len(size) == 2 else (size, size)
        height, width = height or whole_side(size[0]), width or whole_side(size[1])
        if height is None or width is None or channels not in (1, 3):
            raise InputError(
                f"expected a file that fixes the size and channels of its images, got {shown}, which leaves them open; pass "
                "size="
            )
        known: dict[str, Any] = {"size": (height, width)}
        order = str(said.get("order") or "").lower()
        if channels == 1:
            known["channels"] = "grey"
        elif order in ("rgb", "bgr"):
            known["channels"] = order
        mean, std = said.get("mean"), said.get("std")
        if mean is not None and std is not None:
            notes.append("mean and std were read from the file's metadata")
            found = Preprocessing(**known, mean=mean, std=std)
            large = max(*map(abs, found.mean), *found.std) > 2  # in units of 0 to 255: no pixel of [0, 1] has such
            return replace(found, scale=255.0) if large else found
        if not self.whole:
            order = {"grey": "grey", "bgr": "BGR"}.get(known.get("channels", "rgb"), "RGB")
            notes.append(
                f"the file doesn't say which pixels the model expects. The model gets {order} pixels in [0, 1]; set mean=, std=, scale= and channels= if it "
                "expects other pixels"
            )
        return Preprocessing(**known)


def image_input(name: str, dims: Sequence[int | None], kind: str, *, last: bool | None, shown: str) -> ImageInput:
    """Return the description of the model's input that is called `name`. `dims` holds the input's sizes, with None for
    an open size. `kind` is the input's type: "float" or one of `KINDS`.

    `last` says whether channels come last, or is None if the file's graph does not show this. Raises ClassifierError for an input that can't
    take images.
    """
    batch = dims[0] if dims else None
    sizes = tuple(dims[1:])
    if kind == "float" or kind in KINDS:
        if len(sizes) == 3:
            if last is None:
                last = sizes[0] not in (1, 3) and sizes[2] in (1, 3)
            c, h, w = (sizes[2], sizes[0], sizes[1]) if last else sizes
            return ImageInput(name, "nhwc" if last else "nchw", kind, batch, c, h, w)
        if len(sizes) == 2 and not (batch == 3 or (sizes[1] == 3 and batch is not None)):
            return ImageInput(name, "nhw", kind, batch, 1, *sizes)
        if len(sizes) == 2:
            raise ClassifierError(
                f"expected an input of images (N, C, H, W), got an input of shape {tuple(dims)} without a batch axis in {shown}; export the model with a batch axis"
            )
        if len(sizes) == 1:
            return ImageInput(name, "flat", kind, batch, values=sizes[0])
    shape = ", ".join("?" if d is None else str(d) for d in dims)
    raise ClassifierError(
        f"expected an input of images (N, C, H, W), (N, H, W, C), (N, H, W) or rows of pixels (N, D), got {visible(name, most=40)} ({shape}) of type "
        f"{visible(kind, most=20)} in {shown}; it is not an image classifier"
    )


def whole_side(value: Any) -> int | None:
    """The side of an image as a file gives it, if it is a positive whole number; else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _square(values: int) -> tuple[int | None, int | None]:
    for channels in (1, 3):
        side = math.isqrt(values // channels)
        if channels * side * side == values and side > 1:
            return side, channels
    return None, None
