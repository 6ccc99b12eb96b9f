"""Textures: photographs and painted surfaces from a game, in colour.

Each class is one texture, and its images are pieces of this texture.

The textures come from Debian's package ufoai-textures (UFO: Alien Invasion). The licences of the package differ by
file, and doldrum redistributes none of its files.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import whole_number
from doldrum.data.imageset import ImageSet
from doldrum.data.naming import Facts
from doldrum.data.places import cache_folder, written_alone
from doldrum.data.sets.published import find_folder, not_found
from doldrum.data.sets.texture_choice import Texture, chosen_textures
from doldrum.errors import InputError
from doldrum.files import new_array, write_text_whole, write_whole
from doldrum.progress import progress_bar
from doldrum.seeds import rng

__all__ = ["HOW_TO_GET", "LICENCE", "TEST_CROPS", "facts", "locate", "textures"]

HOW_TO_GET = "apt-get install ufoai-textures (or tools/get-textures); or put the package's 0textures.pk3 in $DOLDRUM_DATA/textures"
LICENCE = "GPL-2+ or Creative Commons, depending on the file (/usr/share/doc/ufoai-textures/copyright)"
TEST_CROPS = 50
"""Number of test images per class."""
_FILE = "0textures.pk3"
_DEBIAN = Path("/usr/share/games/ufoai/base")
_FORMAT = "textures-1"
_SCALES = (0.15, 0.3)  # side of a crop, of the texture's shorter side
_PARTS = {"train": (0.0, 0.6), "test": (0.7, 1.0)}  # of its width; no pixel of the tenth between is in either


def textures(
    split: str = "train",
    *,
    classes: int = 100,
    size: int = 32,
    crops: int = 200,
    folder: str | Path | None = None,
) -> ImageSet:
    """Pieces of textures as images, uint8 (N, 3, size, size), with one class per texture.

    Each class has `crops` training images or 50 test images.

    An image is a square piece of one texture, at a random position, scaled to `size`. The side of a piece is drawn from
    .15 to .3 of the texture's shorter side, and half of the pieces are mirrored left to right. Training pieces come
    from the left .6 of a texture, test pieces from the right .3. The order of the classes is fixed, with textures of at
    least 512 pixels first. So the classes of a call with `classes=100` are the first 100 classes of a call with
    `classes=400`. Of textures that look alike, only one is used (:mod:`doldrum.data.sets.texture_choice`).

    Every call returns the same images (with the same version of Pillow). The images are made once and saved in the
    cache folder, from which they are memory-mapped. A class takes `crops` x 3 x size x size bytes: 61 MB in total by
    default, and 1.5 GB with size 160.

    Parameters
    ----------
    classes, size, crops
        `classes` is from 2 to 400, `size` from 32 to 224, and `crops` from 2 to 1,000. There are always 50 test images
        per class, whatever `crops` is.
    folder
        The folder that holds 0textures.pk3. By default, $DOLDRUM_DATA/textures, the cache, and the folder of Debian's
        package are searched.

    Raises DatasetNotFoundError, which says how to get the data set, and InputError for a broken file, or a file that
    has fewer textures than were requested.
    """
    if split not in _PARTS:
        raise InputError(f"expected split 'train' or 'test', got {split!r}")
    classes = whole_number(classes, "classes", least=2, most=400, hint="e.g. 100")
    size = whole_number(size, "size", least=32, most=224, hint="e.g. 32")
    crops = whole_number(crops, "crops", least=2, most=1000, hint="e.g. 200") if split == "train" else TEST_CROPS
    found = locate(folder)
    if found is None:
        raise not_found("textures", HOW_TO_GET, folder)
    with ExitStack() as opened:
        with _of_package(found):
            archive = opened.enter_context(zipfile.ZipFile(found))
        images, names = _kept(archive, split, classes=classes, size=size, crops=crops)
    labels = np.repeat(np.arange(classes, dtype=np.int64), crops)
    name = f"textures,classes={classes},size={size}:{split}"
    ids = [f"{name}/{one}/{k}" for one in names for k in range(crops)]
    return ImageSet(images, labels, ids, names, name)


def facts(*, classes: int = 100, size: int = 32, crops: int = 200) -> Facts:
    """The classes, shape and numbers of images that :func:`textures` gives."""
    return Facts(classes, (3, size, size), {"train": classes * crops, "test": classes * TEST_CROPS})


def locate(folder: str | Path | None = None) -> Path | None:
    """The path of the file of textures, or None."""

    def holds(place: Path) -> bool:
        return os.path.isfile(place / _FILE)

    place = find_folder("textures", holds, folder=folder)
    if place is None and folder is None and holds(_DEBIAN):
        place = _DEBIAN
    return None if place is None else place / _FILE


@contextmanager
def _of_package(found: str | Path | None) -> Iterator[None]:
    """Say which file is broken if the package's file cannot be read."""
    try:
        yield
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"expected the textures in {found}, got {error}; install the package again") from error


def _kept(
    archive: zipfile.ZipFile, split: str, *, classes: int, size: int, crops: int
) -> tuple[NDArray[np.uint8], list[str]]:
    """Images and class names from the cache.

    Images that are not in the cache are made and saved there. The list of class names is written last, so it exists
    only if the images are complete.
    """
    import PIL

    # What the archive holds is in its table of contents, without reading 300 MB.
    content = [[m.filename, m.CRC, m.file_size] for m in archive.infolist()]
    text = json.dumps([_FORMAT, PIL.__version__, content, split, classes, size, crops])
    key = hashlib.sha256(text.encode()).hexdigest()[:24]
    place = cache_folder() / "textures"
    pixels, listed = place / f"{key}.npy", place / f"{key}.json"
    shape = (classes * crops, 3, size, size)
    found = _cached(pixels, listed, shape=shape, classes=classes)
    if found is not None:
        return found
    with written_alone(place):
        found = _cached(pixels, listed, shape=shape, classes=classes)  # another process may have made them by now
        if found is None:
            names: list[str] = []

            def write(draft: Path) -> None:
                array = new_array(draft, dtype=np.uint8, shape=shape)
                with progress_bar(f"making textures:{split}", classes) as advance:
                    for number, one in enumerate(_chosen(archive, classes)):
                        names.append(one.name)
                        for k, piece in enumerate(_pieces(one, split, size=size, count=crops)):
                            array[number * crops + k] = piece
                        advance(1)
                array.flush()

            write_whole(pixels, write)
            write_text_whole(listed, json.dumps(names) + "\n")
            found = np.load(pixels, mmap_mode="r", allow_pickle=False), names
    return found


def _cached(
    pixels: Path, listed: Path, *, shape: tuple[int, ...], classes: int
) -> tuple[NDArray[np.uint8], list[str]] | None:
    """Images and class names that an earlier call made; None if they are not there, or broken."""
    try:
        names = [str(name) for name in json.loads(listed.read_text(encoding="utf-8"))]
        images: NDArray[np.uint8] = np.load(pixels, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    if images.shape != shape or images.dtype != np.uint8 or len(names) != classes:
        return None
    return images, names


def _chosen(archive: zipfile.ZipFile, classes: int) -> Iterator[Texture]:
    with _of_package(archive.filename):
        yield from chosen_textures(archive, classes)


def _pieces(one: Texture, split: str, *, size: int, count: int) -> Iterator[NDArray[np.uint8]]:
    """Yield `count` pieces (3, size, size) of a texture, from the part of the texture that belongs to the split."""
    from PIL import Image

    draw = rng(0, "textures", split, one.name)
    (width, height), (left, right) = one.picture.size, _PARTS[split]
    short = min(width, height)
    for _ in range(count):
        side = int(draw.uniform(*_SCALES) * short)
        x = draw.integers(int(np.ceil(left * width)), int(right * width) - side + 1)
        y = draw.integers(0, height - side + 1)
        box = (int(x), int(y), int(x) + side, int(y) + side)
        pixels = np.asarray(one.picture.resize((size, size), Image.Resampling.BILINEAR, box=box))
        pixels = pixels[:, ::-1] if draw.random() < 0.5 else pixels
        yield pixels.transpose(2, 0, 1)
