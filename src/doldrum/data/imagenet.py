"""Tiny ImageNet, and folders laid out like ImageNet's.

Source: Le, Yang 2015, Tiny ImageNet visual recognition challenge (CS 231N); Deng et al. 2009, ImageNet.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from doldrum.data.folder import ImageRead, image_files
from doldrum.data.imageset import ImageSet
from doldrum.data.published import ListedImage, centre_crop, find_folder, not_found, read_listed, whole
from doldrum.errors import InputError
from doldrum.intake import fit_image, visible
from doldrum.seeds import rng

__all__ = ["HOW_TO_GET", "imagenet_folder", "locate", "tiny_imagenet"]

HOW_TO_GET = (
    "fetch http://cs231n.stanford.edu/tiny-imagenet-200.zip (MD5 90528d7ca1a48142e341f4ef8d21d0de) and unpack it in "
    "$DOLDRUM_DATA/tiny-imagenet"
)
_MOST_BYTES = 64 << 20  # of a list
_SUFFIXES = (".jpeg", ".jpg", ".png")


def tiny_imagenet(split: str = "train", *, folder: str | Path | None = None) -> ImageSet:
    """100,000 training or 10,000 validation images, uint8 (N, 3, 64, 64), 200 classes named by their WordNet ids' first word.

    The test images' labels were never published, so there is no split of them. More than 1 GiB of pixels are held in a
    memory-mapped temporary file. Looks for tiny-imagenet-200 in `folder`, or in $DOLDRUM_DATA/tiny-imagenet and the cache.
    Raises DatasetNotFoundError that says how to get it; InputError for a broken copy.
    """
    if split not in ("train", "val"):
        raise InputError(f"expected split 'train' or 'val', got {split!r}; the test labels were never published")
    root = locate(folder)
    if root is None:
        raise not_found("Tiny ImageNet", HOW_TO_GET, folder)
    wnids = [line.strip() for line in _text(root / "wnids.txt").splitlines() if line.strip()]
    number = {wnid: k for k, wnid in enumerate(wnids)}
    if not wnids or len(number) != len(wnids):
        raise InputError(f"expected different classes in {root / 'wnids.txt'}, got {len(wnids)} lines; unpack it again")
    files: list[ListedImage] = []
    if split == "train":
        for wnid in wnids:
            pictures = sorted((root / "train" / wnid / "images").glob("*.JPEG"))
            if not pictures:
                raise InputError(f"expected images in {root / 'train' / wnid / 'images'}, got none; unpack it again")
            files += [ListedImage(p, f"tiny-imagenet:train/{p.stem}", number[wnid]) for p in pictures]
    else:
        for line in _text(root / "val" / "val_annotations.txt").splitlines():
            file, _, rest = line.partition("\t")
            wnid = rest.split("\t")[0].strip()
            if wnid not in number or Path(file).name != file:
                raise InputError(
                    f"expected a file name and a class in val_annotations.txt, got {line!r}; unpack it again"
                )
            files.append(
                ListedImage(root / "val" / "images" / file, f"tiny-imagenet:val/{Path(file).stem}", number[wnid])
            )
    words = dict(line.split("\t", 1) for line in _text(root / "words.txt").splitlines() if "\t" in line)
    names = [words.get(w, w).split(",")[0].strip() for w in wnids]
    fit = partial(fit_image, channels=3, size=(64, 64))
    return whole(read_listed(files, fit=fit, class_names=names, name=f"tiny-imagenet:{split}", total=len(files)))


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
    """Images of a folder with one subfolder a class (such as ImageNet's val, sorted), as uint8 (N, 3, *size).

    The shorter side is scaled to `resize` and the middle is kept, as evaluations on ImageNet do. Classes are numbered in
    the order of their folders' names, also those without a readable image. `per_class` takes so many of each, chosen by
    `seed`. One image is decoded at a time, and more than 1 GiB of pixels are held in a memory-mapped temporary file.
    What can't be read is listed. Raises InputError when that is everything.
    """
    root = Path(folder)
    if min(size) < 1 or resize < 1:
        raise InputError(f"expected sizes of at least 1, got {size} and resize={resize}")
    if per_class is not None and per_class < 1:
        raise InputError(f"expected per_class of at least 1, got {per_class}")
    if not root.is_dir():
        raise InputError(f"expected a folder with one subfolder a class, got {root}, which is none; check the path")
    classes = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        raise InputError(f"expected one subfolder a class in {root}, got none; use data.read_folder for plain folders")
    files: list[ListedImage] = []
    for k, place in enumerate(classes):
        pictures = [p for p in image_files(place) if p.suffix.lower() in _SUFFIXES]
        if per_class is not None:
            chosen = rng(seed, "imagenet folder", place.name).permutation(len(pictures))[:per_class]
            pictures = [pictures[i] for i in sorted(chosen)]
        files += [ListedImage(p, visible(p.relative_to(root).as_posix()), k) for p in pictures]
    fit = partial(centre_crop, size=size, resize=resize)
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
