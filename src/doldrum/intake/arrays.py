"""Read arrays of pixels from .npy, .npz and IDX files, one image at a time. Pickled objects are never read."""

from __future__ import annotations

import io
import math
import struct
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.intake.base import ImageLimits, Picture
from doldrum.intake.members import as_rgb
from doldrum.intake.streams import Budget, Reader
from doldrum.intake.text import visible
from doldrum.intake.zipped import check_entry, open_zip
from doldrum.pixels import HOW_PIXELS, SCALES, as_nchw, check_pixels, to_float

__all__ = ["idx_pictures", "npy_pictures", "npz_pictures"]

_NPY_HEADER = 10_000  # numpy's own bound on what it parses
IMAGE_KEYS = ("images", "x", "X", "arr_0", "x_test", "data")
LABEL_KEYS = ("labels", "y", "Y", "arr_1", "y_test", "targets")


def npy_pictures(stream: Reader, labels: Sequence[str] | None, limits: ImageLimits) -> Iterator[Picture]:
    """The images of one array, (N, C, H, W), (N, H, W, C) or (N, H, W), of uint8, uint16 or floats in [0, 1].

    A false shape in the header does no harm, because memory is taken for one image at a time, as its bytes arrive.
    Raises InputError for pickled objects, other types and layouts, Fortran order, and files that end too early.
    """
    shape, dtype = _npy_header(stream)
    yield from _rows(stream, shape, dtype, labels, limits)


def npz_pictures(file: IO[bytes], budget: Budget, limits: ImageLimits) -> Iterator[Picture]:
    """The images in an .npz ('images', 'x' or 'arr_0'), with labels if there are any ('labels', 'y' or 'arr_1')."""
    with open_zip(file, limits) as archive:
        entries = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        image_key = next((k for k in IMAGE_KEYS if k in entries), None)
        label_key = next((k for k in LABEL_KEYS if k in entries), None)
        if image_key is None:
            names = ", ".join(visible(k, most=40) for k in sorted(entries)[:5]) or "none"
            raise InputError(
                f"expected an array named {' or '.join(IMAGE_KEYS[:3])}, got arrays named {names}; rename the array of images"
            )
        labels = None
        if label_key is not None:
            with _entry(archive, entries[label_key], budget) as member:
                labels = _labels(member, limits)
        with _entry(archive, entries[image_key], budget) as member:
            yield from npy_pictures(member, labels, limits)


def idx_pictures(stream: Reader, limits: ImageLimits) -> Iterator[Picture]:
    """The images in an IDX file (MNIST's format) of unsigned bytes with three axes."""
    head = _exactly(stream, 16)
    if head[:4] != b"\0\0\x08\x03":
        raise InputError(
            "expected an IDX file of images, got an IDX file with other contents; give the path of the file of images"
        )
    yield from _rows(stream, struct.unpack(">3I", head[4:]), np.dtype(np.uint8), None, limits)


class _entry:
    """An entry of a zip, as a stream whose bytes count against the budget."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> None:
        check_entry(info)
        self._member, self._budget = archive.open(info), budget

    def __enter__(self) -> _entry:
        return self

    def __exit__(self, *_: object) -> None:
        self._member.close()

    def read(self, size: int, /) -> bytes:
        data = self._member.read(size)
        self._budget.take(len(data))
        return data


def _npy_header(stream: Reader) -> tuple[tuple[int, ...], np.dtype[Any]]:
    start = _exactly(stream, 8)
    if start[:6] != np.lib.format.MAGIC_PREFIX or start[6:] not in (b"\1\0", b"\2\0"):
        raise InputError(
            f"expected an .npy file of version 1 or 2, got one that starts {start!r}; save the array again"
        )
    size = _exactly(stream, 2 * start[6])
    if (length := int.from_bytes(size, "little")) > _NPY_HEADER:
        raise InputError(f"expected an .npy header of at most {_NPY_HEADER} bytes, got {length}; save the array again")
    header = io.BytesIO(size + _exactly(stream, length))
    read = np.lib.format.read_array_header_1_0 if start[6] == 1 else np.lib.format.read_array_header_2_0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a header that numpy has to guess at is a damaged one
            shape, fortran, dtype = read(header)
    except Exception as error:  # a damaged header raises what it likes
        why = visible(str(error)) or type(error).__name__
        raise InputError(f"expected the header of an .npy file, got {why}; save the array again") from error
    if dtype.hasobject:
        raise InputError("expected an array of numbers, got pickled objects, which are never loaded; save numbers")
    if fortran and len(shape) > 1:
        raise InputError("expected an array in C order, got Fortran order; save numpy.ascontiguousarray of it")
    if not all(isinstance(n, int) and n >= 0 for n in shape):
        raise InputError(f"expected a shape of numbers from 0 up, got {visible(str(shape))}; save the array again")
    return shape, dtype


def _labels(stream: Reader, limits: ImageLimits) -> list[str]:
    shape, dtype = _npy_header(stream)
    if len(shape) == 2 and shape[1] == 1:
        shape = shape[:1]
    if len(shape) != 1 or dtype.kind not in "iuUS" or dtype.itemsize > 1024:
        raise InputError(f"expected one class number or name per image, got {dtype} of shape {visible(str(shape))}")
    total = shape[0] * dtype.itemsize
    if total > limits.member_bytes:
        raise InputError(
            f"expected labels of at most {limits.member_bytes} bytes, got labels of {total} bytes; save fewer labels"
        )
    values = np.frombuffer(_exactly(stream, total), dtype=dtype)
    return [visible(v if isinstance(v, bytes) else str(v)) for v in values.tolist()]


def _rows(
    stream: Reader, shape: tuple[int, ...], dtype: np.dtype[Any], labels: Sequence[str] | None, limits: ImageLimits
) -> Iterator[Picture]:
    if dtype not in SCALES and dtype.kind != "f":
        raise InputError(f"expected uint8, uint16 or float pixels, got {visible(str(dtype))}; {HOW_PIXELS}")
    if len(shape) in (3, 4) and shape[0] == 0:
        raise InputError(f"expected at least one image, got none: shape {shape}; check what was saved")
    if len(shape) not in (3, 4) or 0 in shape:
        raise InputError(f"expected images (N, C, H, W) or (N, H, W), got shape {visible(str(shape))}; reshape them")
    inner = shape[1:]
    if math.prod(inner) > 3 * limits.pixels:
        raise InputError(f"expected at most {limits.pixels} pixels per image, got {' x '.join(map(str, inner))}")
    if labels is not None and len(labels) != shape[0]:
        raise InputError(
            f"expected a label per image, got {len(labels)} labels for {shape[0]} images; save them together"
        )
    size = math.prod(inner) * dtype.itemsize
    for i in range(shape[0]):
        row = np.frombuffer(_exactly(stream, size), dtype=dtype).reshape(1, *inner)
        image = _eight_bit(row)
        yield Picture(f"{i:06}", as_rgb(image), None if labels is None else labels[i], grey=len(image) == 1)


def _eight_bit(row: NDArray[Any]) -> NDArray[np.uint8]:
    image = as_nchw(row)
    if image.shape[1] not in (1, 3):
        raise InputError(f"expected 1 or 3 channels, got {image.shape[1]}; leave the other channels out")
    if image.dtype != np.uint8:
        check_pixels(image)
        image = np.rint(to_float(image) * np.float32(255)).astype(np.uint8)
    return image[0]


def _exactly(stream: Reader, size: int) -> bytes:
    """Read `size` bytes in pieces, so that a false size in a header costs no memory."""
    pieces, left = [], size
    while left:
        piece = stream.read(min(left, 1 << 20))
        if not piece:
            raise InputError(
                "expected as many values as the header says, got the end of the file: it is cut off; fetch or save it again"
            )
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
