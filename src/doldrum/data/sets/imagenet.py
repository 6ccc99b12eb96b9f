"""Tiny ImageNet, and folders that are organised like ImageNet's.

Source: Le, Yang 2015, Tiny ImageNet visual recognition challenge (CS 231N); Deng et al. 2009, ImageNet.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import whole_number
from doldrum.data.imageset import ImageSet
from doldrum.data.readers.folder import SUFFIXES, ImageRead, image_files
from doldrum.data.sets.published import (
    ListedImage,
    centre_crop,
    check_count,
    check_list,
    find_folder,
    is_plain_name,
    not_found,
    read_listed,
    whole,
)
from doldrum.errors import InputError
from doldrum.intake import fit_image, visible
from doldrum.seeds import rng

__all__ = ["HOW_TO_GET", "imagenet_folder", "locate", "tiny_imagenet"]

HOW_TO_GET = (
    "fetch http://cs231n.stanford.edu/tiny-imagenet-200.zip (MD5 90528d7ca1a48142e341f4ef8d21d0de) and unpack it in "
    "$DOLDRUM_DATA/tiny-imagenet"
)
_MOST_BYTES = 64 << 20  # of a list
_PUBLISHED = {"train": 100_000, "val": 10_000}


def tiny_imagenet(split: str = "train", *, folder: str | Path | None = None, check: bool = True) -> ImageSet:
    """Tiny ImageNet: 100,000 training or 10,000 validation images, uint8 (N, 3, 64, 64), 200 classes.

    The name of a class is the first of its names in WordNet.

    There is no test split, because the labels of the test images were never published. More than 1 GiB of pixels are
    kept in a memory-mapped temporary file. `check` counts the images. Searches for tiny-imagenet-200 in `folder`, or
    else in $DOLDRUM_DATA/tiny-imagenet and the cache. Raises DatasetNotFoundError, which says how to get the data set,
    and InputError for a broken copy.
    """
    if split not in ("train", "val"):
        raise InputError(f"expected split 'train' or 'val', got {split!r}; the test labels were never published")
    root = locate(folder)
    if root is None:
        raise not_found("Tiny ImageNet", HOW_TO_GET, folder)
    wnids = [line.strip() for line in _text(root / "wnids.txt").splitlines() if line.strip()]
    number = {wnid: k for k, wnid in enumerate(wnids)}
    if not wnids or len(number) != len(wnids):
        raise InputError(
            f"expected a different class in each line of {root / 'wnids.txt'}, got {len(wnids)} lines; unpack the archive again"
        )
    if odd := [w for w in wnids if not re.fullmatch(r"n[0-9]+", w)]:
        raise InputError(
            f"expected WordNet ids such as n01443537 in {root / 'wnids.txt'}, got {odd[0]!r:.60}; unpack the archive again"
        )
    files: list[ListedImage] = []
    if split == "train":
        for wnid in wnids:
            pictures = sorted((root / "train" / wnid / "images").glob("*.JPEG"))
            if not pictures:
                raise InputError(
                    f"expected images in {root / 'train' / wnid / 'images'}, got none; unpack the archive again"
                )
            files += [ListedImage(p, f"tiny-imagenet:train/{p.stem}", number[wnid]) for p in pictures]
    else:
        for line in _text(root / "val" / "val_annotations.txt").splitlines():
            file, _, rest = line.partition("\t")
            wnid = rest.split("\t")[0].strip()
            if wnid not in number or not is_plain_name(file):
                raise InputError(
                    f"expected a file name and a class in val_annotations.txt, got {line!r:.100}; unpack the archive again"
                )
            files.append(
                ListedImage(root / "val" / "images" / file, f"tiny-imagenet:val/{Path(file).stem}", number[wnid])
            )
    words = dict(line.split("\t", 1) for line in _text(root / "words.txt").splitlines() if "\t" in line)
    names = [visible(words.get(w, w).split(",")[0].strip()) for w in wnids]
    check_list(files, root / "val" / "val_annotations.txt")
    if check:
        check_count(len(files), _PUBLISHED[split], f"Tiny ImageNet, split {split}, in {root}")
    return whole(read_listed(files, fit=_tiny, class_names=names, name=f"tiny-imagenet:{split}", total=len(files)))


def _tiny(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Check that an image is 64 x 64, and convert it to colour, since some images of the set are grey."""
    if array.shape[1:] != (64, 64):
        raise InputError(f"expected 64 x 64 pixels, got {array.shape[1]} x {array.shape[2]}; unpack the archive again")
    return fit_image(array, channels=3)


def locate(folder: str | Path | None = None) -> Path | None:
    """The folder that holds Tiny ImageNet, or None."""
    needed = ("wnids.txt", "words.txt", "val/val_annotations.txt")
    return find_folder(
        "tiny-imagenet", lambda p: all((p / n).is_file() for n in needed), folder=folder, inner=("tiny-imagenet-200",)
    )


def imagenet_folder(
    folder: str | Path,
    *,
    size: tuple[int, int] = (224, 224),
    resize: int = 256,
    per_class: int | None = None,
    seed: int = 0,
) -> ImageRead:
    """Images of a folder with one subfolder per class (such as ImageNet's val, sorted into folders), as uint8 (N, 3, *size).

    The shorter side is scaled to `resize` and the middle is kept, which is usual for evaluations on ImageNet. Classes
    are numbered in the order of their folders' names, including classes without a readable image. `per_class` is the
    number of images to read per class, chosen with `seed`. One image is decoded at a time, and more than 1 GiB of
    pixels are kept in a memory-mapped temporary file. Images that cannot be read are listed in `skipped`. Raises
    InputError if no image is left.
    """
    root = Path(folder)
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise InputError(f"expected size (height, width), got {size!r}; e.g. (224, 224)")
    height, width = (whole_number(s, "each side of size", least=1, most=4096, hint="e.g. (224, 224)") for s in size)
    resize = whole_number(resize, "resize", least=1, most=4096, hint="e.g. 256")
    if per_class is not None:
        per_class = whole_number(per_class, "per_class", least=1, hint="e.g. 50")
    seed = whole_number(seed, "seed", least=-(2**63), hint="e.g. 0")
    if not root.is_dir():
        raise InputError(
            f"expected a folder with one subfolder per class, got {root}, which is not a folder; check the path"
        )
    classes = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        raise InputError(
            f"expected one subfolder per class in {root}, got none; use data.read_folder for plain folders"
        )
    files: list[ListedImage] = []
    for k, place in enumerate(classes):
        pictures = [p for p in image_files(place) if p.suffix.lower() in SUFFIXES]
        if per_class is not None:
            chosen = rng(seed, "imagenet folder", place.name).permutation(len(pictures))[:per_class]
            pictures = [pictures[i] for i in sorted(chosen)]
        files += [ListedImage(p, visible(p.relative_to(root).as_posix()), k) for p in pictures]
    fit = partial(centre_crop, size=(height, width), resize=resize)
    names = [visible(p.name) for p in classes]
    return read_listed(files, fit=fit, class_names=names, name=visible(root.name), total=len(files))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"expected a list at {path}, got {error}; unpack the archive again") from error
    if len(content) > _MOST_BYTES:
        raise InputError(f"expected at most {_MOST_BYTES} bytes in {path}, got more; unpack the archive again")
    return content.decode("utf-8", "replace")
