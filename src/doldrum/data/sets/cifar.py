"""CIFAR-10 and CIFAR-100 in their binary version: 60,000 colour images, 32 x 32, in 10 or 100 classes.

Source: Krizhevsky 2009, Learning multiple layers of features from tiny images; https://www.cs.toronto.edu/~kriz/cifar.html.
The python version is a pickle, which could run any code when it is read. Therefore it is refused.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doldrum.data.imageset import ImageSet
from doldrum.data.sets.published import check_count, check_md5, find_folder, not_found
from doldrum.errors import InputError
from doldrum.intake import visible

__all__ = ["HOW_TO_GET_10", "HOW_TO_GET_100", "cifar10", "cifar100", "locate_cifar10", "locate_cifar100"]

_PIXELS = 3 * 32 * 32
_MOST_RECORDS = 1 << 20  # of a file; the published ones hold 10,000 or 50,000


@dataclass(frozen=True)
class _Version:
    name: str
    title: str
    folder: str
    archive: str
    md5: str
    files: dict[str, tuple[str, ...]]
    label_bytes: int
    classes: int
    names_file: str
    pickled: str
    records: dict[str, int]  # of a split


_TEN = _Version(
    "cifar-10",
    "CIFAR-10 (binary version)",
    "cifar-10-batches-bin",
    "cifar-10-binary.tar.gz",
    "c32a1d4ab5d03f1284b67883e8d87530",
    {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)},
    1,
    10,
    "batches.meta.txt",
    "cifar-10-batches-py",
    {"train": 50_000, "test": 10_000},
)
_HUNDRED = _Version(
    "cifar-100",
    "CIFAR-100 (binary version)",
    "cifar-100-binary",
    "cifar-100-binary.tar.gz",
    "03b5dce01913d631647c71ecec9e9cb8",
    {"train": ("train.bin",), "test": ("test.bin",)},
    2,
    100,
    "fine_label_names.txt",
    "cifar-100-python",
    {"train": 50_000, "test": 10_000},
)


def _how(v: _Version) -> str:
    return (
        f"fetch https://www.cs.toronto.edu/~kriz/{v.archive} (MD5 {v.md5}) and put the archive, or the folder {v.folder} from the archive, "
        f"in $DOLDRUM_DATA/{v.name}"
    )


HOW_TO_GET_10, HOW_TO_GET_100 = _how(_TEN), _how(_HUNDRED)


def cifar10(split: str = "train", *, folder: str | Path | None = None, check: bool = True) -> ImageSet:
    """CIFAR-10: 50,000 training or 10,000 test images, uint8 (N, 3, 32, 32).

    Searches for cifar-10-batches-bin, or for the archive, in `folder`, or else in $DOLDRUM_DATA/cifar-10 and the cache.
    `check` compares the archive's MD5 with the published one; if the files are unpacked, it counts the images. Raises
    DatasetNotFoundError, which says how to get the data set, and InputError for broken files.
    """
    return _read(_TEN, split, folder, check)


def cifar100(split: str = "train", *, folder: str | Path | None = None, check: bool = True) -> ImageSet:
    """CIFAR-100: 50,000 training or 10,000 test images, uint8 (N, 3, 32, 32), with labels of the 100 fine classes.

    The arguments are those of `cifar10`.
    """
    return _read(_HUNDRED, split, folder, check)


def locate_cifar10(folder: str | Path | None = None) -> Path | None:
    """The folder that holds CIFAR-10, or None."""
    return _locate(_TEN, folder)


def locate_cifar100(folder: str | Path | None = None) -> Path | None:
    """The folder that holds CIFAR-100, or None."""
    return _locate(_HUNDRED, folder)


def _locate(v: _Version, folder: str | Path | None) -> Path | None:
    needed = [name for names in v.files.values() for name in names]

    def holds(place: Path) -> bool:
        return all((place / n).is_file() for n in needed) or (place / v.archive).is_file()

    return find_folder(v.name, holds, folder=folder, inner=(v.folder,))


def _read(v: _Version, split: str, folder: str | Path | None, check: bool) -> ImageSet:
    if split not in v.files:
        raise InputError(f"expected split 'train' or 'test', got {split!r}")
    place = _locate(v, folder)
    if place is None:
        pickled = find_folder(v.name, lambda p: p.is_dir() and p.name == v.pickled, folder=folder, inner=(v.pickled,))
        if pickled is not None:
            raise InputError(
                f"expected the binary version of {v.name}, got the python version in {pickled}, whose pickles can run any "
                f"code when read; {_how(v)}"
            )
        raise not_found(v.title, _how(v), folder)
    names = [*v.files[split], v.names_file]
    if (place / names[0]).is_file():
        parts = [_records(v, np.fromfile(_bounded(place / n, v), dtype=np.uint8), place / n) for n in names[:-1]]
        text = _text(place / names[-1])
    else:
        if check:
            check_md5(place / v.archive, v.md5)
        contents = _unpack(place / v.archive, v, names)
        parts = [_records(v, np.frombuffer(contents[n], dtype=np.uint8), place / v.archive / n) for n in names[:-1]]
        text = contents.get(names[-1], b"").decode("utf-8", "replace")
    if check:
        check_count(sum(map(len, parts)), v.records[split], f"{v.title}, split {split}, in {place}")
    records = parts[0] if len(parts) == 1 else np.concatenate(parts)
    labels = records[:, v.label_bytes - 1].astype(np.int64)
    images = records[:, v.label_bytes :].reshape(-1, 3, 32, 32)  # a view: rows of the planes red, green, blue
    classes = [visible(line.strip()) for line in text.splitlines() if line.strip()]
    classes = classes if len(classes) == v.classes else [str(k) for k in range(v.classes)]
    name = f"{v.name}:{split}"
    return ImageSet(images, labels, [f"{name}/{i}" for i in range(len(labels))], classes, name)


def _records(v: _Version, raw: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    length = v.label_bytes + _PIXELS
    if not len(raw) or len(raw) % length:
        raise InputError(f"expected records of {length} bytes in {path}, got {len(raw)} bytes; fetch the file again")
    records = raw.reshape(-1, length)
    highest = int(records[:, v.label_bytes - 1].max())
    if highest >= v.classes:
        raise InputError(f"expected labels below {v.classes} in {path}, got {highest}; fetch the file again")
    return records


def _bounded(path: Path, v: _Version) -> Path:
    most = _MOST_RECORDS * (v.label_bytes + _PIXELS)
    if path.stat().st_size > most:
        raise InputError(f"expected at most {most} bytes in {path}, got {path.stat().st_size}; fetch the file again")
    return path


def _text(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(1 << 16).decode("utf-8", "replace")


def _unpack(path: Path, v: _Version, names: list[str]) -> dict[str, bytes]:
    """Read the files in `names` from the archive, and return the bytes of each file.

    Nothing is written to disk, so a hostile path in the archive does no harm.
    """
    most = 60_000 * (v.label_bytes + _PIXELS)
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = member.name.removeprefix("./").removeprefix(f"{v.folder}/")
                if name in names and member.isreg() and member.size <= most:
                    file = archive.extractfile(member)
                    contents[name] = file.read() if file else b""
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:
        raise InputError(f"expected the archive of {v.title} at {path}, got {error}; fetch the file again") from error
    if missing := [n for n in names[:-1] if n not in contents]:
        raise InputError(
            f"expected the files {', '.join(missing)} in the archive {path}, got an archive without these files; fetch the file again"
        )
    return contents
