"""Read folders of image files, with or without a subfolder for each class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.data.imageset import ImageSet
from doldrum.data.readers.image_file import read_image
from doldrum.data.store import PixelStore
from doldrum.errors import InputError
from doldrum.intake import fit_image, fitting_note, visible

__all__ = ["SUFFIXES", "ImageRead", "class_labels", "image_files", "read_folder"]
SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"])


@dataclass(frozen=True)
class ImageRead:
    """The images that were read, the files that could not be read as (path or number, reason), and notes on how images were changed."""

    images: ImageSet
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def whole(self) -> ImageSet:
        """Return the images. Raises InputError if any image could not be read."""
        for _, why in self.skipped[:1]:
            more = f" (and {len(self.skipped) - 1} more)" if len(self.skipped) > 1 else ""
            raise InputError(
                f"expected images that can all be read, but reading one of them failed: {why}{more}; fix this image, or leave it out"
            )
        return self.images


def read_folder(
    path: str | Path,
    *,
    channels: int | None = None,
    size: tuple[int, int] | None = None,
    resize: Literal["stretch", "crop"] = "stretch",
) -> ImageRead:
    """Read every image below a folder, in order of path.

    Files that cannot be read, and links that lead out of the folder, are skipped and listed.

    If every image is in a subfolder, the subfolders are the classes, numbered in order of their names. If an image is
    not in a subfolder, there are no labels. `channels` is the number of channels that the model takes, 1 or 3 (default:
    1 if all images are grey, else 3). For a colour model, a grey image is repeated in all channels. For a grey model, a
    colour image is skipped, since turning it grey would change the evidence. `size` (height, width) is the size that
    the model takes; without it, all images must have the same size. Images of another size are resized (bilinear) as
    `resize` says: stretched to `size`, or scaled until they cover `size` and cropped to their middle. `notes` tells how
    many images were changed. More than 1 GiB of pixels are kept in a memory-mapped temporary file.

    Raises InputError for an absent or empty folder, a folder without a readable image, and images of several sizes
    without `size`.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"expected a folder of images, got {root}, which is not a folder; check the path")
    store, sizes = PixelStore(), set[tuple[int, ...]]()
    names: list[str] = []
    skipped: list[tuple[str, str]] = []
    tried: list[str] = []
    before: Counter[tuple[int, ...]] = Counter()
    inside = root.resolve()
    for file in image_files(root):
        name = file.relative_to(root).as_posix()
        tried.append(name)
        try:
            if file.is_symlink() and not file.resolve().is_relative_to(inside):
                raise InputError("expected a file in the folder, got a link to a file outside; copy the file there")
            decoded = read_image(file)
            array = fit_image(decoded, channels=channels, size=size, resize=resize)
        except InputError as error:
            skipped.append((visible(name), str(error)))
            continue
        names.append(name)
        before[decoded.shape] += 1
        sizes.add(array.shape[1:])
        if len(sizes) == 1:  # else it is an error, and how many sizes there are is all that is looked for
            store = _added(store, array)
    if not names:
        why = (
            f"{len(skipped)} files, none readable; the first: {skipped[0][0]}: {skipped[0][1]}"
            if skipped
            else "no files"
        )
        raise InputError(f"expected images in {root}, got {why}; check the path, or put images there")
    if len(sizes) > 1:
        listed = ", ".join(f"{h} x {w}" for h, w in sorted(sizes)[:5])
        raise InputError(
            f"expected images of one size in {root}, got {len(sizes)} ({listed}); pass size=(height, width)"
        )
    labels, classes = class_labels(names, tried)
    ids = [visible(name) for name in names]
    images = ImageSet(store.finish(), labels, ids, classes, root.name)
    note = None if size is None and channels is None else fitting_note(before, images.input_shape, resize=resize)
    return ImageRead(images, tuple(skipped), () if note is None else (note,))


def _added(store: PixelStore, array: NDArray[np.uint8]) -> PixelStore:
    """Add an image to the store, and return the store.

    When the first colour image follows grey images, the grey images are converted to colour too.
    """
    if store.channels == 1 and len(array) == 3:
        before, store = store.finish(), PixelStore()
        for one in before:
            store.add(np.repeat(one, 3, axis=0))
    store.add(np.repeat(array, 3, axis=0) if store.channels == 3 and len(array) == 1 else array)
    return store


def image_files(root: Path) -> Iterator[Path]:
    """Regular files below `root`, and links to regular files, in order of path, without hidden files and linked folders."""
    for folder, folders, files in os.walk(root, followlinks=False):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(files):
            file = Path(folder) / name
            if not name.startswith(".") and os.path.isfile(file):
                yield file


def class_labels(names: list[str], tried: list[str]) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Labels and class names of images from their subfolders. The labels are None if an image is not in a subfolder.

    A class keeps its number even if none of its images could be read, so that the numbers of the other classes do not
    change.
    """
    if not all(name.count("/") == 1 for name in names):
        return None, ()
    images = [n for n in tried if n.count("/") == 1 and Path(n).suffix.lower() in SUFFIXES]
    classes = sorted({n.split("/")[0] for n in (*names, *images)})
    number = {name: k for k, name in enumerate(classes)}
    return np.array([number[n.split("/")[0]] for n in names], dtype=np.int64), tuple(visible(c) for c in classes)
