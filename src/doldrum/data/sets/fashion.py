"""Fashion-MNIST: 70,000 grey images of clothes, 28 x 28, 10 classes.

Source: Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747. MIT licence.
"""

from __future__ import annotations

import os
from pathlib import Path

from doldrum.data.imageset import ImageSet
from doldrum.data.places import cache_folder, candidate_folders, written_alone
from doldrum.data.sets.download import fetch_gzip
from doldrum.data.sets.idx import read_idx
from doldrum.errors import DatasetNotFoundError, InputError

__all__ = ["CLASS_NAMES", "HOW_TO_GET", "fashion_mnist", "locate"]

CLASS_NAMES = (
    "T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
HOW_TO_GET = (
    "apt-get install dataset-fashion-mnist; or put its four .gz files in $DOLDRUM_DATA/fashion-mnist; "
    "or dd.data.fashion_mnist(..., download=True)"
)
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_PUBLISHED = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_PREFIX = {"train": "train", "test": "t10k"}
_SHA256 = {  # of the unpacked content
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
}


def fashion_mnist(split: str = "train", *, folder: str | Path | None = None, download: bool = False) -> ImageSet:
    """Fashion-MNIST: 60,000 training or 10,000 test images, uint8 (N, 1, 28, 28), with labels and class names.

    Searches only in `folder` if it is given, else in `$DOLDRUM_DATA/fashion-mnist`, the cache, and the folder of
    Debian's package. If the files are in none of these folders, `download=True` fetches the published files into the
    cache and checks them.

    Raises DatasetNotFoundError, which says how to get the data set.
    """
    if split not in _PREFIX:
        raise InputError(f"expected split 'train' or 'test', got {split!r}")
    found = locate(folder)
    if found is None and download and folder is None:
        found = cache_folder() / "fashion-mnist"
        with written_alone(found):
            for name, digest in _SHA256.items():
                if not (found / name).exists():
                    fetch_gzip(_PUBLISHED + name, found / name, sha256=digest)
    if found is None:
        where = f" in {folder}" if folder else ""
        raise DatasetNotFoundError(f"expected Fashion-MNIST{where}, got none; get it: {HOW_TO_GET}")
    images = read_idx(_file(found, f"{_PREFIX[split]}-images-idx3-ubyte"))
    labels = read_idx(_file(found, f"{_PREFIX[split]}-labels-idx1-ubyte"))
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise InputError(f"expected one label per image in {found}, got shapes {images.shape} and {labels.shape}")
    name = f"fashion-mnist:{split}"
    return ImageSet(images[:, None], labels.astype("int64"), tuple(f"{name}/{i}" for i in range(len(labels))),
                    CLASS_NAMES, name)  # fmt: skip


def locate(folder: str | Path | None = None) -> Path | None:
    """The first folder that holds all four files (plain or gzipped), or None."""
    places = [Path(folder)] if folder is not None else [*candidate_folders("fashion-mnist"), _DEBIAN]
    return next((p for p in places if all(_has(p, name) for name in _SHA256)), None)


def _has(folder: Path, name: str) -> bool:
    # Not Path.is_file, which raises for a folder that may not be entered.
    return os.path.isfile(folder / name) or os.path.isfile(folder / name.removesuffix(".gz"))


def _file(folder: Path, stem: str) -> Path:
    packed = folder / f"{stem}.gz"
    return packed if packed.is_file() else folder / stem
