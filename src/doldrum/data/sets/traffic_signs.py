"""GTSRB: 51,839 colour photographs of German traffic signs, in 43 classes and many sizes.

Source: Stallkamp, Schlipsing, Salmen, Igel 2012, Man vs. computer, Neural Networks 32; https://benchmark.ini.rub.de.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from doldrum.data.imageset import ImageSet
from doldrum.data.sets.published import (
    ListedImage,
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

__all__ = ["HOW_TO_GET", "gtsrb", "locate"]

HOW_TO_GET = (
    "fetch from https://benchmark.ini.rub.de/gtsrb_dataset.html GTSRB_Final_Training_Images.zip (MD5 "
    "f33fd80ac59bff73c82d25ab499e03a3), GTSRB_Final_Test_Images.zip (MD5 c7e4e6327067d32654124b0fe9e82185) and "
    "GTSRB_Final_Test_GT.zip (MD5 fe31e9c9270bbcd7b84b7f21a9d9d9e5) and unpack all three in $DOLDRUM_DATA/gtsrb"
)
_CLASSES = 43
_PUBLISHED = {"Final_Training": 39_209, "Training": 26_640, "Final_Test": 12_630}
_MOST_BYTES = 16 << 20  # of a list
_FOLDERS = frozenset(f"{k:05d}" for k in range(_CLASSES))
_COLUMNS = ("Filename", "Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2", "ClassId")


def gtsrb(
    split: str = "train",
    *,
    folder: str | Path | None = None,
    size: tuple[int, int] = (32, 32),
    crop: bool = False,
    check: bool = True,
) -> ImageSet:
    """GTSRB: 39,209 training or 12,630 test images, resized to `size` (bilinear), uint8 (N, 3, *size).

    With `crop`, each image is cropped to the sign before resizing. The published list of the images gives two opposite
    corners of the sign's box, and the pixels at these corners belong to the box. Ids are
    "gtsrb:train/00000/00000_00000": class, track and frame; the frames of one track show the same sign. `check` counts
    the images, to detect the earlier training archive, which has 26,640 images (its folder is Training). Searches
    `folder` for the folder GTSRB of the unpacked archives; without `folder`, searches $DOLDRUM_DATA/gtsrb and the
    cache. Raises DatasetNotFoundError, which says how to get the data set, and InputError for a broken copy.
    """
    if split not in ("train", "test"):
        raise InputError(f"expected split 'train' or 'test', got {split!r}")
    root = locate(folder, split=split)
    if root is None:
        raise not_found("GTSRB", HOW_TO_GET, folder)
    files = list(_train(root) if split == "train" else _test(root))
    check_list(files, root)
    if check:
        kind = "Final_Test" if split == "test" else "Training"
        if split == "train" and (root / "Final_Training" / "Images").is_dir():
            kind = "Final_Training"
        check_count(len(files), _PUBLISHED[kind], f"GTSRB, {kind}, in {root}")
    if not crop:
        files = [ListedImage(f.path, f.id, f.label) for f in files]
    fit = partial(fit_image, channels=3, size=size)
    names = [f"{k:05d}" for k in range(_CLASSES)]
    return whole(read_listed(files, fit=fit, class_names=names, name=f"gtsrb:{split}", total=len(files)))


def locate(folder: str | Path | None = None, *, split: str | None = None) -> Path | None:
    """The folder that holds the split, or None. If `split` is None, the folder must hold both splits."""

    def holds(place: Path) -> bool:
        train = _train_folder(place) is not None
        test = (place / "Final_Test" / "Images").is_dir() and _test_list(place) is not None
        return {"train": train, "test": test, None: train and test}[split]

    return find_folder("gtsrb", holds, folder=folder, inner=("GTSRB",))


def _train_folder(root: Path) -> Path | None:
    """The folder of the training images, which has different names in the competition's archive and in the corrected
    one."""
    return next((p for p in (root / "Final_Training" / "Images", root / "Training") if p.is_dir()), None)


def _train(root: Path) -> Iterator[ListedImage]:
    found = False
    for folder in sorted(p for p in (_train_folder(root) or root).iterdir() if p.is_dir()):
        found = True
        if folder.name not in _FOLDERS:
            raise InputError(
                f"expected folders 00000 to {_CLASSES - 1:05d}, got {visible(folder)}; unpack the archive again"
            )
        for one in _rows(folder / f"GT-{folder.name}.csv", folder, f"gtsrb:train/{folder.name}"):
            if one.label != int(folder.name):
                raise InputError(
                    f"expected only images of class {int(folder.name)} in {folder}, got class {one.label}; unpack the archive again"
                )
            yield one
    if not found:
        raise InputError(f"expected a folder for each class in {_train_folder(root)}, got none")


def _test(root: Path) -> Iterator[ListedImage]:
    path = _test_list(root)
    if path is None:
        raise not_found("GTSRB's list of test classes", HOW_TO_GET, root)
    yield from _rows(path, root / "Final_Test" / "Images", "gtsrb:test")


def _test_list(root: Path) -> Path | None:
    """The path of GT-final_test.csv, the list of test classes.

    The list comes in a separate archive, which unpacks next to the folder of the images.
    """
    name = "GT-final_test.csv"
    return next(
        (p for p in (root / "Final_Test" / "Images" / name, root / name, root.parent / name) if p.is_file()), None
    )


def _rows(path: Path, folder: Path, prefix: str) -> Iterator[ListedImage]:
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"expected a list of images at {path}, got no file; fetch the file again")
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"expected at most {_MOST_BYTES} bytes in {path}, got more; fetch the file again")
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"expected a list of images at {path}, got {error}; fetch the file again") from error
    reader = csv.DictReader(text.splitlines(), delimiter=";")
    try:
        columns, rows = tuple(reader.fieldnames or ()), list(reader)
    except csv.Error as error:
        raise InputError(f"expected a list of images at {path}, got {error}; fetch the file again") from error
    if set(_COLUMNS) - set(columns):
        raise InputError(
            f"expected columns {', '.join(_COLUMNS)} in {path}, got {columns!r:.200}; fetch the file again"
        )
    for number, row in enumerate(rows, start=2):
        name = row["Filename"]
        try:
            label = int(row["ClassId"])
            x1, y1, x2, y2 = (int(row[f"Roi.{corner}"]) for corner in ("X1", "Y1", "X2", "Y2"))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"expected numbers in line {number} of {path}, got {error}; fetch the file again"
            ) from error
        if not 0 <= label < _CLASSES or not is_plain_name(name):
            raise InputError(
                f"expected a file name and a class in line {number} of {path}, got the name {name!r:.100} and the class {label!r:.20}; fetch the file again"
            )
        yield ListedImage(folder / name, f"{prefix}/{Path(name).stem}", label, (y1, y2 + 1, x1, x2 + 1))
