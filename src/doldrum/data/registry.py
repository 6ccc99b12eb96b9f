"""The list of data sets, and the function that reads images from a path or from a data set's name."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from doldrum.checks import nearest
from doldrum.data.imageset import ImageSet
from doldrum.data.naming import Dataset, Facts, Named, Option, is_named, named
from doldrum.data.readers.arrays import read_array
from doldrum.data.readers.fitted import fit_images
from doldrum.data.readers.folder import ImageRead, read_folder
from doldrum.data.readers.image_file import read_image
from doldrum.data.sets import cifar, emoji_sheets, fashion, house_numbers, imagenet, textures, traffic_signs
from doldrum.data.sets.sklearn_digits import digits
from doldrum.errors import InputError

__all__ = [
    "DATASETS",
    "DatasetStatus",
    "dataset_status",
    "find_dataset",
    "is_dataset",
    "load_dataset",
    "read_images",
]


@dataclass(frozen=True)
class DatasetStatus:
    """A row in the output of `doldrum datasets`. `location` is None if the set is not on this machine."""

    name: str
    description: str
    splits: tuple[str, ...]
    licence: str
    location: str | None
    how_to_get: str
    options: Mapping[str, str]


def _found(locate: Callable[[], Path | None]) -> Callable[[], str | None]:
    def location() -> str | None:
        found = locate()
        return None if found is None else str(found)

    return location


def _always(classes: int, channels: int, side: int) -> Callable[[], Facts]:
    """The facts of a data set without options."""
    return lambda: Facts(classes, (channels, side, side))


def _digits_location() -> str | None:
    return "inside scikit-learn" if importlib.util.find_spec("sklearn") else None


DATASETS: dict[str, Dataset] = {
    d.name: d
    for d in (
        Dataset(
            "fashion-mnist",
            "clothes, grey, 28 x 28, 10 classes, 60,000 + 10,000",
            ("train", "test"),
            "MIT",
            fashion.HOW_TO_GET,
            _found(fashion.locate),
            fashion.fashion_mnist,
            _always(10, 1, 28),
        ),
        Dataset(
            "digits",
            "handwritten digits, grey, 8 x 8, 10 classes, 1,437 + 360 images",
            ("train", "test"),
            "CC BY 4.0 (UCI)",
            "pip install 'doldrum[sklearn]'",
            _digits_location,
            digits,
            _always(10, 1, 8),
        ),
        Dataset(
            "emoji",
            "emoji of two vendors, colour, 32 x 32, 6 classes, 6,042 + 1,520 images; no emoji is in both splits",
            ("train", "test"),
            "Apache 2.0 (Google's images), CC BY 4.0 (Twitter's)",
            emoji_sheets.HOW_TO_GET,
            _found(emoji_sheets.locate),
            emoji_sheets.emoji,
            _always(6, 3, 32),
        ),
        Dataset(
            "emoji-placed",
            "the data set emoji with each training emoji at 8 positions, instead of random shifts in training; 48,336 + 1,520 images",
            ("train", "test"),
            "Apache 2.0 (Google's images), CC BY 4.0 (Twitter's)",
            emoji_sheets.HOW_TO_GET,
            _found(emoji_sheets.locate),
            emoji_sheets.placed,
            _always(6, 3, 32),
        ),
        Dataset(
            "cifar-10",
            "photographs, colour, 32 x 32, 10 classes, 50,000 + 10,000 images",
            ("train", "test"),
            "none stated",
            cifar.HOW_TO_GET_10,
            _found(cifar.locate_cifar10),
            cifar.cifar10,
            _always(10, 3, 32),
        ),
        Dataset(
            "cifar-100",
            "photographs, colour, 32 x 32, 100 classes, 50,000 + 10,000 images",
            ("train", "test"),
            "none stated",
            cifar.HOW_TO_GET_100,
            _found(cifar.locate_cifar100),
            cifar.cifar100,
            _always(100, 3, 32),
        ),
        Dataset(
            "gtsrb",
            "German traffic signs, colour, resized to 32 x 32, 43 classes, 39,209 + 12,630 images",
            ("train", "test"),
            "none stated",
            traffic_signs.HOW_TO_GET,
            _found(traffic_signs.locate),
            traffic_signs.gtsrb,
            _always(43, 3, 32),
        ),
        Dataset(
            "svhn",
            "house numbers, colour, 32 x 32, 10 classes, 73,257 + 26,032 + 531,131 images",
            ("train", "test", "extra"),
            "non-commercial use",
            house_numbers.HOW_TO_GET,
            _found(house_numbers.locate),
            house_numbers.svhn,
            _always(10, 3, 32),
        ),
        Dataset(
            "tiny-imagenet",
            "photographs, colour, 64 x 64, 200 classes, 100,000 + 10,000",
            ("train", "val"),
            "research use",
            imagenet.HOW_TO_GET,
            _found(imagenet.locate),
            imagenet.tiny_imagenet,
            _always(200, 3, 64),
        ),
        Dataset(
            "textures",
            "photographs and painted surfaces, colour, 32 x 32 to 224 x 224, 100 classes (up to 400), 200 + 50 images per class",
            ("train", "test"),
            textures.LICENCE,
            textures.HOW_TO_GET,
            _found(textures.locate),
            textures.textures,
            textures.facts,
            {
                "classes": Option(100, 2, 400, "how many textures"),
                "size": Option(32, 32, 224, "side of the images in pixels"),
                "crops": Option(200, 2, 1000, "training images of a class"),
            },
        ),
    )
}


def dataset_status() -> list[DatasetStatus]:
    """The status of each data set: whether it is on this machine, and how to get it."""
    return [
        DatasetStatus(
            d.name, d.description, d.splits, d.licence, d.locate(), d.how_to_get,
            {key: f"{o.what}, {o.least} to {o.most}, by default {o.default}" for key, o in d.options.items()},
        )
        for d in DATASETS.values()
    ]  # fmt: skip


def is_dataset(spec: str | Path) -> bool:
    """Whether `spec` is the name of a data set, and not a file or folder.

    >>> is_dataset("digits:test"), is_dataset("digits.npz")
    (True, False)
    """
    return is_named(str(spec), DATASETS) and not os.path.exists(spec)


def find_dataset(spec: str) -> Named:
    """Parse a name such as "fashion-mnist", "digits:test" or "textures,classes=400,size=64:train".

    This function does not load the images of the data set.

    Raises InputError for an unknown name, option or split, and for an option out of its range.

    >>> find_dataset("textures,size=64").options
    {'size': 64}
    """
    return named(spec, DATASETS)


def load_dataset(spec: str) -> ImageSet:
    """Load a split of a data set by name, such as "fashion-mnist:test".

    If the name contains no split, the split "test" is loaded; if the data set has no split "test", the last split is
    loaded.

    Options are written between the name and the split: "textures,classes=400,size=64:train". `doldrum datasets` lists
    the names, splits and options.

    Raises InputError for an unknown name, option or split, and DatasetNotFoundError if the set is not on this machine.
    """
    return find_dataset(spec).load()


def read_images(
    source: str | Path,
    *,
    channels: int | None = None,
    size: tuple[int, int] | None = None,
    resize: Literal["stretch", "crop"] = "stretch",
) -> ImageRead:
    """Images from a folder, an .npy or .npz file, an image file, or a data set's split.

    `channels` and `size` (height, width) describe the classifier's input. `resize` says how images of a different size
    are fitted to `size`; see :func:`doldrum.data.read_folder`. Images of every source are fitted in the same way, and a
    note counts the images that were changed.
    """
    if not str(source):
        raise InputError("expected a folder, a file or a data set, got an empty name")
    path = Path(source)
    if os.path.isdir(path):  # Path.is_dir raises for a name that is too long or a folder that may not be entered
        return read_folder(path, channels=channels, size=size, resize=resize)
    if path.suffix.lower() in (".npy", ".npz"):
        found = read_array(path)
    elif os.path.isfile(path):
        found = ImageSet(read_image(path)[None], ids=[path.name], name=path.name)
    elif is_dataset(source):
        found = load_dataset(str(source))
    else:
        name = str(source).partition(":")[0].partition(",")[0]
        raise InputError(
            f"expected a folder, an .npy or .npz file, an image or a data set ({', '.join(DATASETS)}), got {source}, "
            f"which is none of these; {nearest(name, DATASETS, other='check the path')}"
        )
    return fit_images(found, channels=channels, size=size, resize=resize)
