"""Draw a random sample of clean images from a source of any size. The images get the size that a model takes, and class
numbers if their classes are known."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.cli.output import message, message_skipped
from doldrum.confined.matching import class_numbers
from doldrum.errors import InputError
from doldrum.intake import Picture, Skipped, fit_image, fitting_note, open_images, visible
from doldrum.seeds import rng
from doldrum.suspects import Suspect

__all__ = ["CleanSample", "clean_sample"]

Resize = Literal["stretch", "crop"]


@dataclass(frozen=True, eq=False)
class CleanSample:
    """A sample of clean images, with class numbers if the classes are known.

    `images` holds one uint8 array (N, C, H, W) for each way to resize. `labels` holds the class numbers (-1: none), or
    is None. `how` says how the classes were found, or why they were not. `names` holds the images' labels in the form
    that the source uses.
    """

    images: dict[Resize, NDArray[np.uint8]]
    labels: NDArray[np.int64] | None
    how: str
    names: tuple[str | None, ...]


def clean_sample(source: str, suspect: Suspect, *, resize: Resize, most: int, seed: int = 0) -> CleanSample:
    """Draw at most `most` images of `source` uniformly at random. Only the drawn images are kept in memory.

    Names of folders, or labels of a table or an array, become classes as in an audit. Images can be resized by
    stretching or by cropping. If these two ways give different images, the sample has both versions. If the two ways
    give the same images, the sample has only the version for `resize`. Raises InputError if no image can be read.
    """
    shape = suspect.classifier.input_shape
    kept: list[tuple[dict[Resize, NDArray[np.uint8]], tuple[int, ...], str | None]] = []
    channels, *size = shape
    skipped: list[tuple[str, str]] = []
    draw, seen, same = rng(seed, "clean sample"), 0, True
    items, names, kind = _items(source)
    for item in items:
        if isinstance(item, Skipped):
            skipped.append((item.id, item.why))
            continue
        place = seen if seen < most else int(draw.integers(seen + 1))
        if place < most:  # a reservoir
            try:
                ways: dict[Resize, NDArray[np.uint8]] = {
                    w: fit_image(item.planes, channels=channels, size=(size[0], size[1]), resize=w)
                    for w in ("stretch", "crop")
                }
            except InputError as error:
                skipped.append((item.id, str(error)))
                continue
            same = same and np.array_equal(ways["stretch"], ways["crop"])
            kept[place:] = [(ways, item.planes.shape, item.label), *kept[place + 1 :]]
        seen += 1
    message_skipped(skipped, most=5)
    if not kept:
        raise InputError(f"expected clean images in {visible(source)}, got none that can be read; check the path")
    if (note := fitting_note(Counter(before for _, before, _ in kept), shape, resize=resize)) is not None:
        message(f"note: {note}")
    found: tuple[Resize, ...] = (resize,) if same else ("stretch", "crop")
    images: dict[Resize, NDArray[np.uint8]] = {way: np.stack([ways[way] for ways, _, _ in kept]) for way in found}
    table_names = names()
    called = tuple(label for *_, label in kept)
    labels, how = class_numbers(
        called,
        model_names=suspect.class_names,
        table_names=table_names,
        num_classes=suspect.classifier.num_classes,
        numbered=kind in ("npz", "set") or (kind == "Parquet" and not table_names),
    )
    return CleanSample(images, labels, how, called)


def _items(source: str) -> tuple[Iterator[Any], Any, str]:
    """Return the pictures and skipped items of a source, a function for a table's class names, and the kind of source.
    Call the function for the class names only after the table is read."""
    if os.path.exists(source):
        opened = open_images(source)
        return iter(opened), lambda: tuple(opened.class_names), opened.kind
    from doldrum.data import load_dataset

    data = load_dataset(source)
    numbers = data.labels

    def pictures() -> Iterator[Picture]:
        for k in range(len(data)):
            pixels = np.asarray(data.images[k])
            pixels = pixels if pixels.dtype == np.uint8 else np.rint(pixels * 255).astype(np.uint8)
            colour = np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels
            yield Picture(
                data.ids[k],
                colour.transpose(1, 2, 0),
                None if numbers is None else str(int(numbers[k])),
                grey=len(pixels) == 1,
            )

    return pictures(), tuple, "set"
