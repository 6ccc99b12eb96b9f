"""Read values one by one from the user's Python objects: torch Datasets and DataLoaders, Hugging Face sets, lists, generators.

Libraries are looked up in `sys.modules` and never imported here: a user who passes an object of a library has imported
that library.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from doldrum.data.readers.values import LABEL_COLUMNS, array_of, is_picture
from doldrum.errors import InputError
from doldrum.intake import visible

__all__ = [
    "Failed",
    "class_names_of",
    "gives_slices",
    "holds_images",
    "is_source",
    "loader_notes",
    "name_of",
    "unit_of",
    "values_of",
]

_BLOCK = 256  # images that are read at a time of what gives slices


@dataclass(frozen=True)
class Failed:
    """Stands for a value that could not be read, because the source raised an error. `why` is the reason, and `images`
    is the number of images that are lost."""

    why: str
    images: int = 1


def is_source(value: Any) -> bool:
    """Whether `value` may contain images: it has items or can be iterated over, and is not a text, file name, picture or dict."""
    if isinstance(value, (str, bytes, Path, Mapping)) or is_picture(value):
        return False
    return hasattr(value, "__getitem__") or hasattr(value, "__iter__") or hasattr(value, "__next__")


def holds_images(value: Any) -> bool:
    """Whether `value` is a source of images, and not a table of numbers (N, C * H * W) in an array, a data frame or lists."""
    if hasattr(value, "__array__") or hasattr(value, "__dataframe__"):
        return False
    if isinstance(value, (list, tuple)) and value:
        first: Any = cast("Sequence[Any]", value)[0]
        first = first[0] if isinstance(first, tuple) and first else first
        return is_picture(first) or isinstance(first, Mapping) or getattr(array_of(first), "ndim", 0) >= 2
    return gives_slices(value) or (
        not hasattr(value, "shape") and is_source(value) and not isinstance(value, (list, tuple))
    )


def gives_slices(source: Any) -> bool:
    """Whether `source` can be used like an array of images: it has a shape of four axes and can be sliced."""
    shape = getattr(source, "shape", None)
    return isinstance(shape, tuple) and len(cast("tuple[Any, ...]", shape)) == 4 and hasattr(source, "__getitem__")


def unit_of(source: Any) -> str:
    """The word that messages use for one value of `source`: batch, block or item."""
    return "batch" if _is_loader(source) else "block" if gives_slices(source) else "item"


def values_of(source: Any) -> Iterator[tuple[int, Any]]:
    """Yield (number, value) for each value of `source`, in the source's order; an unreadable value becomes a `Failed`.

    Each value is requested once. If the source can be indexed, and an item raises an error, reading continues with the
    next item. A generator or stream cannot continue after it raised an error: the last value is then a `Failed`, and
    its `images` is 0.
    """
    if _is_loader(source):
        goes_on = not isinstance(source.dataset, _torch_data().IterableDataset) and hasattr(source, "__len__")
        lost = source.batch_size or 1
        yield from _passed(lambda: iter(source), most=_length(source) if goes_on else None, lost=lost)
    elif gives_slices(source):
        for number, start in enumerate(range(0, int(source.shape[0]), _BLOCK)):
            yield number, source[start : start + _BLOCK]
    elif _gives_items(source):
        rows = _plain_rows(source)
        for number in range(_length(rows)):
            yield number, _tried(lambda number=number: rows[number])
    else:
        yield from _passed(lambda: iter(_plain_rows(source)), most=None, lost=0)


def _length(source: Any) -> int:
    """The number of values in `source`. A `__len__` that raises gives an InputError."""
    try:
        return len(source)
    except MemoryError:
        raise
    except Exception as error:
        raise InputError(
            f"expected len() of the {type(source).__name__} to give the number of items, got the error {type(error).__name__}: "
            f"{visible(str(error), most=300)}; fix its __len__"
        ) from error


def _passed(begin: Callable[[], Iterator[Any]], *, most: int | None, lost: int) -> Iterator[tuple[int, Any]]:
    """Yield each value of an iterator with its number.

    `most` is the maximum number of values, or None. With a maximum, reading continues after a value that raised an
    error; without a maximum, reading stops there.
    """
    number, values = 0, _tried(begin, lost=0)
    if isinstance(values, Failed):  # there is no first value
        yield 0, values
        return
    while most is None or number < most:
        value = _tried(lambda: next(values, _END), lost=0 if most is None else lost)
        if value is _END:
            return
        yield number, value
        if isinstance(value, Failed) and most is None:
            return
        number += 1


_END = object()


def _tried(read: Callable[[], Any], *, lost: int = 1) -> Any:
    try:
        return read()
    except MemoryError:
        raise
    except Exception as error:  # a Dataset raises what it likes
        name, why = _in_worker(str(error)) or (type(error).__name__, str(error).strip().partition("\n")[0])
        why = visible(why, most=300)
        return Failed(f"{visible(name, most=80)}: {why}" if why else visible(name, most=80), lost)


def _in_worker(text: str) -> tuple[str, str] | None:
    """Type and message of an error in a DataLoader's worker process. `text` holds its traceback.

    None for other errors.
    """
    if re.match(r"Caught \S+ in DataLoader worker process", text) is None:
        return None
    last = text.rpartition("Traceback (most recent call last):\n")[2]
    line = next((line for line in last.splitlines() if line.strip() and not line.startswith(" ")), "")
    name, _, why = line.partition(": ")
    return (name.rpartition(".")[2], why.strip()) if name else None


def loader_notes(source: Any) -> Iterator[str]:
    """Yield a note for each setting of a DataLoader by which it shuffles images or leaves images out."""
    if not _is_loader(source):
        return
    torch = _torch_data()
    if not isinstance(source.dataset, torch.IterableDataset) and not isinstance(
        source.sampler, torch.SequentialSampler
    ):
        yield "the DataLoader shuffles the images: the ids number them in its order"
    if source.drop_last:
        yield "the DataLoader has drop_last=True: images that do not fill the last batch are left out"


def class_names_of(source: Any) -> tuple[str, ...]:
    """The class names of a torchvision set (`classes`, also inside a Subset or a DataLoader) or a Hugging Face set (ClassLabel)."""
    for _ in range(4):
        classes = getattr(source, "classes", None)
        if isinstance(classes, (list, tuple)):
            return tuple(visible(str(name)) for name in cast("list[Any]", classes))
        features = getattr(source, "features", None)
        if isinstance(features, Mapping):
            known = cast("Mapping[str, Any]", features)
            column = next((c for c in LABEL_COLUMNS if c in known), None)
            names = getattr(known.get(column), "names", None) if column else None
            return tuple(visible(str(name)) for name in names or ())
        source = getattr(source, "dataset", None)
    return ()


def name_of(source: Any) -> str:
    """The name and split of a Hugging Face set; for other objects, the name of their type."""
    parts = (getattr(getattr(source, "info", None), "dataset_name", None), getattr(source, "split", None))
    return ":".join(str(p) for p in parts if p) or type(source).__name__


def _torch_data() -> Any:
    return sys.modules.get("torch.utils.data")


def _is_loader(source: Any) -> bool:
    torch = _torch_data()
    return torch is not None and isinstance(source, torch.DataLoader)


def _gives_items(source: Any) -> bool:
    torch = _torch_data()
    if torch is not None and isinstance(source, torch.IterableDataset):
        return False
    return hasattr(source, "__getitem__") and hasattr(source, "__len__")


def _plain_rows(source: Any) -> Any:
    """A Hugging Face set without its format, since a format such as "torch" gives tensors in another layout.

    A transform that the user has set stays in effect.
    """
    form: Any = getattr(source, "format", None)
    if (
        isinstance(form, dict)
        and cast("dict[str, Any]", form).get("type") not in (None, "custom")
        and hasattr(source, "with_format")
    ):
        return source.with_format(None)
    return source
