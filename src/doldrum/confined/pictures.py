"""Outside of the confined process: write pixels, which the process returns as numbers, to PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from doldrum.errors import InputError
from doldrum.files import write_whole
from doldrum.records import Pixels

__all__ = ["encode_png"]


def encode_png(path: Path, value: Any, shape: tuple[int, int, int]) -> None:
    """Write an array of pixels (`Pixels.to_dict()`) as a PNG file; InputError if the array's shape is not `shape` (C, H, W)."""
    from PIL import Image

    array = Pixels.from_dict(value).array()
    if array.shape != shape:
        raise InputError(f"expected pixels of shape {shape} from the confined process, got {array.shape}")
    image = Image.fromarray(array[0] if shape[0] == 1 else np.ascontiguousarray(array.transpose(1, 2, 0)))
    write_whole(path, lambda draft: image.save(draft, format="PNG"))
