"""Read arrays of images from .npy files, which are memory-mapped, and from .npz files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.checks import fits_in_memory
from doldrum.data.imageset import ImageSet
from doldrum.errors import InputError
from doldrum.intake import visible
from doldrum.pixels import as_nchw

__all__ = ["read_array"]

_IMAGE_KEYS = ("images", "x", "X", "arr_0", "x_test", "data")
_LABEL_KEYS = ("labels", "y", "Y", "arr_1", "y_test", "targets")
_LARGEST = 4 << 30  # bytes that one member of an .npz may claim when unpacked


def read_array(path: str | Path) -> ImageSet:
    """Read images, and labels if there are any, from an .npy or .npz file. Pickled objects are never read.

    An .npy file is memory-mapped. In an .npz file, the images are the array 'images', 'x' or 'arr_0', and the labels,
    if there are any, the array 'labels', 'y' or 'arr_1'. The accepted layouts are those of
    :func:`doldrum.data.as_nchw`.

    Raises InputError for files that are absent, broken or pickled, or contain no images.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"expected an .npy or .npz file, got {path}, which is not there; check the path")
    try:
        if path.suffix.lower() == ".npy":
            # Not numpy.load, which looks at the content and would open a zip or a pickle too.
            return ImageSet(as_nchw(np.lib.format.open_memmap(path, mode="r")), name=path.name)
        return _read_npz(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # decoders of broken files raise what they like
        raise InputError(f"{path}: {_why(str(error), path)}") from error


def _why(error: str, path: Path) -> str:
    """Reword NumPy's message about a file: what was expected, what was found, and what to do."""
    if "mmap length" in error:
        return (
            f"expected as many values as its header says, got a file of {path.stat().st_size:,} bytes, which is too short: fetch "
            "or save it again"
        )
    if "Python objects" in error or "allow_pickle" in error:
        return "expected an array of numbers, got pickled objects, which are never loaded; save numbers"
    return f"expected arrays of numbers, got {visible(error, most=300).rstrip('.')}; save them again as .npy or .npz"


def _read_npz(path: Path) -> ImageSet:
    with zipfile.ZipFile(path) as archive:
        claimed = {i.filename: i.file_size for i in archive.infolist()}
    with np.load(path, allow_pickle=False) as arrays:
        image_key = _pick(arrays.files, _IMAGE_KEYS)
        if image_key is None:
            found = ", ".join(repr(visible(name, most=40)) for name in sorted(arrays.files)[:5]) or "none"
            raise InputError(
                f"expected an array named {' or '.join(_IMAGE_KEYS[:3])}, got arrays named {found}; rename the array of images"
            )
        label_key = _pick(arrays.files, _LABEL_KEYS)
        for key in filter(None, (image_key, label_key)):
            size = max(claimed.get(f"{key}.npy", 0), claimed.get(key, 0))
            if size > _LARGEST or not fits_in_memory(size):
                most = f"{_LARGEST} bytes" if size > _LARGEST else "the memory there is"
                raise InputError(
                    f"expected at most {most} in {key}, got {size} bytes; save it as .npy, which can be memory-mapped"
                )
        labels: Any = None if label_key is None else arrays[label_key]
        if labels is not None and labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        return ImageSet(as_nchw(arrays[image_key]), labels, name=path.name)


def _pick(names: list[str], wanted: tuple[str, ...]) -> str | None:
    return next((w for w in wanted if w in names), None)
