"""Functions that all readers of published data sets use: find the folder, report an absent set, read a list of images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.data.imageset import ImageSet
from doldrum.data.places import candidate_folders
from doldrum.data.readers.folder import ImageRead
from doldrum.data.readers.image_file import read_image
from doldrum.data.store import PixelStore
from doldrum.errors import DatasetNotFoundError, InputError
from doldrum.intake import fit_image, visible
from doldrum.progress import progress_bar

__all__ = [
    "ListedImage", "centre_crop", "check_count", "check_list", "check_md5", "find_folder", "is_plain_name", "not_found",
    "read_listed", "whole",
]  # fmt: skip

_MOST_PIXELS = 64 << 20  # of an image scaled before its middle is kept


@dataclass(frozen=True)
class ListedImage:
    """An image file of a published set: its path, id and label, and the box to crop it to (y0, y1, x0, x1)."""

    path: Path
    id: str
    label: int
    box: tuple[int, int, int, int] | None = None


def find_folder(
    name: str, holds: Callable[[Path], bool], *, folder: str | Path | None = None, inner: Sequence[str] = ()
) -> Path | None:
    """Search for a data set's folder: return the first folder for which `holds` returns true, or None.

    If `folder` is given, only `folder` is searched, else $DOLDRUM_DATA/name, $DOLDRUM_DATA and the cache. In each
    searched folder, the subfolders named in `inner` are searched too. `inner` holds the names of the folders in the
    published archives.
    """
    outer = [Path(folder)] if folder is not None else candidate_folders(name)
    for place in (p for o in outer for p in (o, *(o / i for i in inner))):
        try:
            if holds(place):
                return place
        except OSError:  # a folder that may not be entered holds nothing for us
            continue
    return None


def not_found(title: str, how_to_get: str, folder: str | Path | None) -> DatasetNotFoundError:
    """The error for a data set that was not found."""
    where = f" in {folder}" if folder is not None else ""
    return DatasetNotFoundError(f"expected the data {title}{where}, got none; get it: {how_to_get}")


def check_md5(path: Path, md5: str) -> None:
    """Raise InputError unless the file has the published MD5. An MD5 detects damage, but not a deliberate forgery."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        raise InputError(f"expected the published file (MD5 {md5}) at {path}, got MD5 {found}; fetch the file again")


def check_count(found: int, published: int, what: str) -> None:
    """Raise InputError unless a copy of a data set has as many images as were published."""
    if found != published:
        raise InputError(
            f"expected the {published} published images of {what}, got {found}; unpack or fetch the data set again"
        )


def check_list(files: Sequence[ListedImage], where: Path) -> None:
    """Raise InputError if a list contains a file twice, since one of the file's labels could be wrong."""
    seen: set[Path] = set()
    for one in files:
        if one.path in seen:
            raise InputError(
                f"expected each image file once in {where}, got the file {visible(one.path.name)} twice; fetch the file again"
            )
        seen.add(one.path)


def is_plain_name(name: Any) -> bool:
    """Whether `name` is a plain file name, which cannot lead out of its folder.

    >>> [is_plain_name(n) for n in ("a.ppm", "../a.ppm", "/a", "..", "", None)]
    [True, False, False, False, False, False]
    """
    return isinstance(name, str) and name not in ("", ".", "..") and not set(name) & set("/\\\0")


def centre_crop(array: NDArray[np.uint8], *, size: tuple[int, int], resize: int) -> NDArray[np.uint8]:
    """The middle part of an image as colour pixels (3, height, width). First the shorter side is scaled to `resize`.

    Raises InputError for an image so thin that it would need too much memory after scaling.

    >>> centre_crop(np.zeros((1, 30, 60), np.uint8), size=(8, 8), resize=10).shape
    (3, 8, 8)
    """
    _, h, w = array.shape
    scale = resize / min(h, w)
    tall, wide = max(round(h * scale), size[0]), max(round(w * scale), size[1])
    if tall * wide > _MOST_PIXELS:
        raise InputError(
            f"expected an image that is not so thin, got {h} x {w}, which would be scaled to {tall} x {wide}; leave out this image"
        )
    array = fit_image(array, channels=3, size=(tall, wide))
    top, left = (tall - size[0]) // 2, (wide - size[1]) // 2
    return np.ascontiguousarray(array[:, top : top + size[0], left : left + size[1]])


def read_listed(
    files: Iterable[ListedImage],
    *,
    fit: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    class_names: Sequence[str],
    name: str,
    total: int = 0,
) -> ImageRead:
    """Read image files one at a time, crop each image to its box, and apply `fit` to the image.

    Files that cannot be read are listed in `skipped`. Memory use is limited (see PixelStore). Raises InputError if no
    file can be read.
    """
    store, labels, ids, skipped = PixelStore(), [], [], []
    with progress_bar(f"reading {name}", total) as advance:
        for one in files:
            advance(1)
            try:
                array = read_image(one.path)
                if one.box is not None:
                    array = _cut(array, one.box)
                array = fit(array)
            except InputError as error:
                skipped.append((one.id, str(error)))
                continue
            store.add(array)
            labels.append(one.label)
            ids.append(one.id)
    if not len(store):
        first = f"; the first: {skipped[0][0]}: {skipped[0][1]}" if skipped else ""
        raise InputError(f"expected images for {name}, got {len(skipped)} files, none readable{first}")
    return ImageRead(ImageSet(store.finish(), np.array(labels, dtype=np.int64), ids, class_names, name), tuple(skipped))


def whole(read: ImageRead) -> ImageSet:
    """Return the images.

    Raises InputError if a file could not be read: a published set with broken files is a broken copy.
    """
    if read.skipped:
        path, reason = read.skipped[0]
        raise InputError(
            f"expected every image of {read.images.name} to be readable, got {len(read.skipped)} broken images; the first: {path}: {reason}"
        )
    return read.images


def _cut(array: NDArray[Any], box: tuple[int, int, int, int]) -> NDArray[Any]:
    y0, y1, x0, x1 = box
    if not (0 <= y0 < y1 <= array.shape[1] and 0 <= x0 < x1 <= array.shape[2]):
        raise InputError(f"expected a box inside {array.shape[1]} x {array.shape[2]}, got {box}; fetch the list again")
    return array[:, y0:y1, x0:x1]
