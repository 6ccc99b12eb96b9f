"""Pictures of the most suspicious images. Pixels leave the confined process as numbers, and are encoded as PNG outside of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.confined.pictures import encode_png
from doldrum.errors import InputError
from doldrum.files import write_text_whole
from doldrum.records import Pixels

__all__ = ["MOST", "encode_pictures", "write_pixels"]

MOST = 200
"""The largest number of images of which an audit makes pictures."""

_MOST_BYTES = 1 << 28  # of one file of pixels
_NOISY = 4  # copies of one image


def write_pixels(folder: Path, index: int, image: NDArray[Any], noise: Any) -> None:
    """Write the pixels of one image (C, H, W), and of its noisy copies, as numbers into a JSON file. The probe `noise`
    makes the copies."""
    from doldrum.data import to_float

    shown = to_float(image)
    copies = {}
    bound = noise.bind(shown.shape)
    for condition, strength in enumerate(noise.strengths[:_NOISY]):
        out = np.empty((1, *shown.shape), dtype=np.float32)
        bound.fill(shown, condition, 0, 1, out)
        copies[f"{strength:.3g}"] = Pixels.of(out[0]).to_dict()
    value = {"image": Pixels.of(shown).to_dict(), "noisy": copies}
    write_text_whole(folder / f"{index:05d}.json", json.dumps(value))


def encode_pictures(
    source: Path, target: Path, indices: Sequence[int], *, shape: tuple[int, int, int], strengths: Sequence[float]
) -> dict[int, str]:
    """Make pictures of the images with the numbers in `indices`, if their pixels are in the folder `source`. Write each
    image to target/NNNNN.png, and its noisy copies to target/NNNNN-noisy-S.png, where S is a noise strength. Return the
    names of the files.

    An attacker may have written the files in `source`. So no text is read from these files, only pixel arrays of the
    shape `shape` for the image and for the given noise strengths.
    """
    made = {}
    for index in indices[:MOST]:
        path = source / f"{index:05d}.json"
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            continue
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict) or not isinstance(value.get("noisy"), dict):
            raise InputError(
                "expected the pixels of an image and of its noisy copies from the confined process, got a value of another form"
            )
        encode_png(target / f"{index:05d}.png", value.get("image"), shape)
        for strength in strengths[:_NOISY]:
            if (copy := value["noisy"].get(f"{strength:.3g}")) is not None:
                encode_png(target / f"{index:05d}-noisy-{strength:.3g}.png", copy, shape)
        made[index] = f"{index:05d}.png"
    return made
