"""Read data sets of Hugging Face's library `datasets` that the user has loaded.

This module does not import the library `datasets`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import whole_number
from doldrum.data.imageset import ImageSet
from doldrum.data.readers.values import is_picture, picture_pixels
from doldrum.data.store import PixelStore
from doldrum.errors import InputError
from doldrum.intake import fit_image, visible

__all__ = ["from_huggingface"]


def from_huggingface(
    dataset: Any,
    *,
    image_column: str = "image",
    label_column: str | None = "label",
    channels: int | None = None,
    size: tuple[int, int] | None = None,
    limit: int | None = None,
    name: str = "",
) -> ImageSet:
    """Read the images and labels of one split of a Hugging Face data set, which may be streamed.

    Parameters
    ----------
    dataset : iterable of rows
        A `datasets.Dataset` or `IterableDataset`, or anything that gives a dict per row.
    image_column : str
        Column of Pillow images, uint8 arrays (H, W) or (H, W, C), or undecoded {"bytes", "path"}.
    label_column : str, optional
        Column of class numbers; the class names are taken from the column's ClassLabel. None: no labels.
    channels, size
        The number of channels and the size (height, width) that the classifier takes, as in
        :func:`doldrum.data.read_folder`. Without `channels`, the first image decides: after a colour image, grey images
        are repeated in all channels; after a grey image, a colour image is an error.
    limit : int, optional
        Read at most this many rows, which is necessary for an endless stream.

    Returns
    -------
    ImageSet
        Images as uint8 (N, C, H, W). The ids are the row numbers. Large sets are memory-mapped.

    Raises InputError for a DatasetDict (choose a split), an absent column, and images of several sizes without `size`.
    Labels below 0 (which mean hidden labels) and images that can't be read also raise InputError, with the row's
    number.

    Source: https://huggingface.co/docs/datasets, Image and ClassLabel features.

    >>> rows = [{"image": np.zeros((4, 4), np.uint8), "label": 1}, {"image": np.ones((4, 4), np.uint8), "label": 0}]
    >>> s = from_huggingface(rows)
    >>> s.images.shape, s.labels.tolist()
    ((2, 1, 4, 4), [1, 0])
    """
    if isinstance(dataset, Mapping):
        raise InputError(
            f"expected one split, got a DatasetDict of {', '.join(map(str, dataset))}; pass dataset[split]"
        )
    if limit is not None:
        limit = whole_number(limit, "limit", least=1, hint="e.g. 1000")
    for given, what in ((image_column, "image_column"), (label_column, "label_column")):
        if not (isinstance(given, str) or (given is None and what == "label_column")):
            raise InputError(f"expected the name of a column as {what}, got {given!r}; e.g. 'image'")
    wanted = [image_column] if label_column is None else [image_column, label_column]
    _check_columns(getattr(dataset, "column_names", None), wanted)
    store, labels = PixelStore(), []
    for row, values in enumerate(_next_rows(islice(_rows(dataset), limit))):
        if not isinstance(values, Mapping):
            raise InputError(f"expected rows that are dicts, got {type(values).__name__}; pass a split of `datasets`")
        _check_columns(list(values), wanted)
        try:
            array = fit_image(_pixels(values[image_column]), channels=channels, size=size)
            if channels is None:
                channels = len(array)  # all as the first
            store.add(array)
            if label_column is not None:
                labels.append(_label(values[label_column]))
        except InputError as error:
            raise InputError(f"row {row}: {error}") from error
    if not len(store):
        raise InputError("expected a data set with rows, got an empty one; check its split and filters")
    names = () if label_column is None else _class_names(dataset, label_column)
    found = None if label_column is None else np.array(labels, dtype=np.int64)
    return ImageSet(store.finish(), found, class_names=names, name=name or _name(dataset))


def _rows(dataset: Any) -> Iterator[Any]:
    # A format such as "torch" would hand out float or channels-first tensors: ask for plain rows where that is possible.
    if getattr(dataset, "format", None) and hasattr(dataset, "with_format"):
        dataset = dataset.with_format(None)
    try:
        return iter(dataset)
    except TypeError as error:
        raise InputError(f"expected a data set with rows, got {type(dataset).__name__}; pass a split") from error


def _next_rows(rows: Iterator[Any]) -> Iterator[Any]:
    """The rows of a data set. If the library fails to decode a row, the InputError names the row's number."""
    for row in count():
        try:
            values = next(rows)
        except StopIteration:
            return
        except Exception as error:  # broken shards, absent files and undecodable images raise what they like
            why = visible(str(error)) or type(error).__name__
            raise InputError(
                f"row {row}: expected a row that can be read, got {why:.300}; fix it, or cast the column with "
                "datasets.Image(decode=False)"
            ) from error
        yield values


def _check_columns(columns: Sequence[str] | None, wanted: list[str]) -> None:
    if columns is None:  # streams may not know theirs
        return
    if missing := [c for c in wanted if c not in columns]:
        raise InputError(
            f"expected a column named {missing[0]!r}, got the columns {', '.join(map(str, columns))}; pass image_column= and label_column="
        )


def _pixels(value: Any) -> NDArray[np.uint8]:
    if isinstance(value, np.ndarray):
        return _array_pixels(value)
    if is_picture(value):
        return picture_pixels(value)
    raise InputError(f"expected an image, got {type(value).__name__}; cast the column with datasets.Image()")


def _array_pixels(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype != np.uint8:
        raise InputError(f"expected uint8 pixels, got {array.dtype}; use ImageSet for floats")
    if array.ndim == 2 and array.size:
        return array[None]
    if array.ndim == 3 and array.size and array.shape[2] in (1, 3):
        return array.transpose(2, 0, 1)
    raise InputError(f"expected an image (H, W) or (H, W, 1 or 3), got shape {array.shape}")


def _label(value: Any) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise InputError(f"expected a class number, got {value!r}; encode the column, or pass label_column=None")
    if value < 0:
        raise InputError(f"expected a class number from 0 up, got {value} (a hidden label?); pass label_column=None")
    return int(value)


def _class_names(dataset: Any, column: str) -> tuple[str, ...]:
    features = getattr(dataset, "features", None)
    feature = features.get(column) if hasattr(features, "get") else None  # pyright: ignore[reportOptionalMemberAccess]
    return tuple(visible(str(name)) for name in getattr(feature, "names", None) or ())


def _name(dataset: Any) -> str:
    info = getattr(dataset, "info", None)
    parts = (getattr(info, "dataset_name", None), getattr(dataset, "split", None))
    return ":".join(str(p) for p in parts if p)
