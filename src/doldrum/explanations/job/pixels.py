"""The pictures of explanations.

The pixels leave the confined process as numbers, and become PNG files outside of this process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.confined.trigger import write_trigger
from doldrum.errors import InputError
from doldrum.files import write_text_whole, write_whole
from doldrum.records.explanations import Explanations, Shown

__all__ = ["encode_shown", "write_shown"]

_MOST = 24  # explanations that are pictured
_MOST_BYTES = 1 << 28  # of one file of pixels
_ONE, _MANY = ("image", "found", "control", "control_found"), ("clean", "with_found", "with_control")


def write_shown(folder: Path, found: Explanations) -> None:
    """Write files to `folder`: the trigger of `found.best`, and the pixels of the first explanations as shown-NNN.json.

    Only explanations that were tested have pixels. Explanations with a proven trigger come first.
    """
    write_trigger(folder, None if found.best is None else found.best.trigger)
    order = sorted(range(len(found.explained)), key=lambda i: (not found.explained[i].proven, i))
    shown = [(i, one) for i in order if (one := found.explained[i].shown) is not None]
    for i, one in shown[:_MOST]:
        write_text_whole(folder / f"shown-{i:03d}.json", json.dumps(one.to_dict()))


def encode_shown(source: Path, target: Path, *, count: int, shape: tuple[int, int, int]) -> None:
    """Read the pixels of explanations from the folder `source`, and write them as target/NNN-NAME.png and
    NNN-NAME-M.png.

    An attacker may control the files in `source`. So the function uses only arrays of the given `shape`, and no text.
    Raises InputError if a file in `source` does not hold arrays of the given `shape`.
    """
    target.mkdir(exist_ok=True)
    for i in range(count):
        path = source / f"shown-{i:03d}.json"
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_BYTES:
            continue
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, Mapping):
            raise InputError(
                "expected the pixels of an explanation from the confined process, got a file with other content"
            )
        shown = Shown.from_dict(value)
        if shown.image.shape != shape or shown.clean.shape[0] > 64:
            raise InputError(
                f"expected images of shape {shape} from the confined process, got an image of shape {shown.image.shape}, or too many images"
            )
        for name in _ONE:
            _png(target / f"{i:03d}-{name.replace('_', '-')}.png", getattr(shown, name).array())
        for name in _MANY:
            for n, image in enumerate(getattr(shown, name).array()):
                _png(target / f"{i:03d}-{name.replace('_', '-')}-{n}.png", image)


def _png(path: Path, array: NDArray[Any]) -> None:
    from PIL import Image

    image = Image.fromarray(array[0] if len(array) == 1 else np.ascontiguousarray(array.transpose(1, 2, 0)))
    write_whole(path, lambda draft: image.save(draft, format="PNG"))
