"""Draw samples of a data set as one picture: one row per class, with the name of the class above the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import whole_number
from doldrum.data.imageset import ImageSet
from doldrum.errors import InputError
from doldrum.intake import visible
from doldrum.pixels import to_float

__all__ = ["draw_sheet"]

_LEAST = 64  # pixels of a sample on the sheet, at least: small images are enlarged by whole numbers
_GAP, _LINE = 4, 14
_NAME = 60  # characters of a class's name


def draw_sheet(data: ImageSet, *, classes: int = 12, samples: int = 8) -> Any:
    """A Pillow image that shows the first images of some classes.

    `classes` is the number of classes to show. The classes are chosen at even distances among all classes. `samples` is
    the number of images per class. Images with a side below 64 pixels are enlarged by a whole factor (2, 3, ...).
    Raises InputError for a set without labels.

    >>> images = np.zeros((6, 3, 32, 32), np.uint8)
    >>> draw_sheet(ImageSet(images, labels=[0, 0, 0, 1, 1, 1]), samples=2).size
    (140, 168)
    """
    classes = whole_number(classes, "classes", least=1, most=1000, hint="e.g. 12")
    samples = whole_number(samples, "samples", least=1, most=1000, hint="e.g. 8")
    if data.labels is None:
        raise InputError(
            "expected images with labels for a sheet of classes, got images without labels; name a data set with labels"
        )
    from PIL import Image, ImageDraw

    there = np.unique(data.labels)
    shown = there[np.unique(np.linspace(0, len(there) - 1, min(classes, len(there))).round().astype(int))]
    rows = [np.flatnonzero(data.labels == k)[:samples] for k in shown]
    _, height, width = data.input_shape
    zoom = -(-_LEAST // min(height, width)) if min(height, width) < _LEAST else 1
    step_y, step_x = zoom * height + _GAP + _LINE, zoom * width + _GAP
    sheet = Image.new("RGB", (samples * step_x + _GAP, len(rows) * step_y + _GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for line, (label, row) in enumerate(zip(shown, rows, strict=True)):
        top = _GAP + line * step_y
        pen.text((_GAP, top), _plain(data.class_names, int(label)), fill="black")
        for column, i in enumerate(row):
            picture = Image.fromarray(_rgb(data.images[int(i)]))
            picture = picture.resize((zoom * width, zoom * height), Image.Resampling.NEAREST)
            sheet.paste(picture, (_GAP + column * step_x, top + _LINE))
    return sheet


def _rgb(image: NDArray[Any]) -> NDArray[np.uint8]:
    """A grey or colour image of any pixel type as uint8 (H, W, 3)."""
    pixels = np.rint(to_float(np.asarray(image)[None])[0] * 255).astype(np.uint8)
    return np.repeat(pixels, 3, axis=0).transpose(1, 2, 0) if len(pixels) == 1 else pixels.transpose(1, 2, 0)


def _plain(names: Sequence[str], label: int) -> str:
    """The label and the name of its class, with only the characters that Pillow's built-in font can draw."""
    return visible(f"{label}: {names[label]}")[:_NAME].encode("latin-1", "replace").decode("latin-1")
