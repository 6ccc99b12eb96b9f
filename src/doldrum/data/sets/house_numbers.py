"""SVHN, cropped digits: 99,289 colour photographs of house numbers, 32 x 32, 10 classes, and 531,131 extra images.

Source: Netzer et al. 2011, Reading digits in natural images with unsupervised feature learning;
http://ufldl.stanford.edu/housenumbers.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.checks import fits_in_memory
from doldrum.data.imageset import ImageSet
from doldrum.data.sets.published import check_md5, find_folder, not_found
from doldrum.errors import InputError

__all__ = ["HOW_TO_GET", "locate", "svhn"]

_MD5 = {
    "train": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test": "eb5a983be6a315427106f1b164d9cef3",
    "extra": "a93ce644f1a588dc4d68dda5feec44a7",
}
HOW_TO_GET = (
    "fetch http://ufldl.stanford.edu/housenumbers/train_32x32.mat and test_32x32.mat (their MD5s are checked) into "
    "$DOLDRUM_DATA/svhn"
)
_MOST_IMAGES = 1 << 20


def svhn(split: str = "train", *, folder: str | Path | None = None, check: bool = True) -> ImageSet:
    """SVHN: 73,257 training, 26,032 test or 531,131 extra images, uint8 (N, 3, 32, 32). Class k is the digit k.

    In the files, the label 10 means the digit 0. Searches for train_32x32.mat, test_32x32.mat or extra_32x32.mat in
    `folder`, or else in $DOLDRUM_DATA/svhn and the cache. `check` compares the file's MD5 with the published MD5. The
    whole compressed file is unpacked into memory (1.6 GB for the extra images). Raises DatasetNotFoundError, which says
    how to get the data set, and InputError for broken files.
    """
    if split not in _MD5:
        raise InputError(f"expected split 'train', 'test' or 'extra', got {split!r}")
    file = f"{split}_32x32.mat"
    place = find_folder("svhn", lambda p: (p / file).is_file(), folder=folder)
    if place is None:
        raise not_found(f"SVHN's {file}", HOW_TO_GET, folder)
    if check:
        check_md5(place / file, _MD5[split])
    pixels, digits = _read(place / file)
    labels = digits.astype(np.int64) % 10
    name = f"svhn:{split}"
    return ImageSet(pixels.transpose(3, 2, 0, 1), labels, [f"{name}/{i}" for i in range(len(labels))],
                    [str(k) for k in range(10)], name)  # fmt: skip


def locate(folder: str | Path | None = None) -> Path | None:
    """The folder that holds the training and test files, or None."""
    return find_folder(
        "svhn", lambda p: all((p / f"{s}_32x32.mat").is_file() for s in ("train", "test")), folder=folder
    )


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The arrays X (32, 32, 3, N) and y (N,) of a file.

    The sizes of X and y are checked before these arrays are unpacked.
    """
    from scipy.io import loadmat, whosmat

    try:
        shapes = {str(name): (tuple(shape), kind) for name, shape, kind in whosmat(path)}
        shape, kind = shapes.get("X", ((), "none"))
        if len(shape) != 4 or shape[:3] != (32, 32, 3) or not 0 < shape[3] <= _MOST_IMAGES or kind != "uint8":
            raise InputError(
                f"expected an array X (32, 32, 3, N) of uint8 in {path}, got shape {shape} of {kind}; fetch the file again"
            )
        labels_shape, labels_kind = shapes.get("y", ((), "none"))
        if labels_shape != (shape[3], 1) or labels_kind not in ("uint8", "double"):
            raise InputError(
                f"expected an array y ({shape[3]}, 1) of uint8 or double in {path}, got shape {labels_shape} of {labels_kind}; fetch the file again"
            )
        if not fits_in_memory(2 * math.prod(shape)):  # as it is unpacked, and unpacked
            raise InputError(
                f"expected memory for two copies of {shape[3]} images ({2 * math.prod(shape) >> 20} MiB), got less; read another split, or use a machine with more memory"
            )
        content: dict[str, Any] = loadmat(path, variable_names=["X", "y"])
        digits = np.asarray(content["y"]).ravel()
    except InputError:
        raise
    except Exception as error:  # the reader of broken files raises what it likes
        raise InputError(f"expected a MATLAB 5 file at {path}, got {error}; fetch the file again") from error
    if digits.min() < 1 or digits.max() > 10 or (digits != np.rint(digits)).any():
        raise InputError(
            f"expected labels 1 to 10 in {path}, got {digits.min()} to {digits.max()}; fetch the file again"
        )
    return np.asarray(content["X"]), digits
