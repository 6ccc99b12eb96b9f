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
    """Write pixels in the form of `Pixels.to_dict()` to a PNG file. Raises InputError if the shape of the pixel array
    is not `shape`, that is (C, H, W)."""
    from PIL import Image

    array = Pixels.from_dict(value).array()
    if array.shape != shape:
        raise InputError(
            f"expected pixels of shape {shape} from the confined process, got pixels of shape {array.shape}"
        )
    image = Image.fromarray(array[0] if shape[0] == 1 else np.ascontiguousarray(array.transpose(1, 2, 0)))
    write_whole(path, lambda draft: image.save(draft, format="PNG"))
