"""Checks of simple arguments, such as numbers and paths, for all packages."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError

__all__ = [
    "available_memory", "finite_number", "fits_in_memory", "is_array", "is_kind", "is_list", "is_number", "is_object", "is_whole",
    "nearest", "unfit_path", "whole_number",
]  # fmt: skip


def whole_number(value: Any, name: str, *, least: int, most: int | None = None, hint: str = "pass one") -> int:
    """Return `value` as an int. Raises InputError unless `value` is a whole number of at least `least` and at most
    `most`.

    3.0 counts as a whole number, but 2.7, NaN, "3", True and None do not.

    >>> whole_number(3.0, "draws", least=1)
    3
    """
    known = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    whole = known and (isinstance(value, (int, np.integer)) or float(value).is_integer())
    if not whole or value < least or (most is not None and value > most):
        bounds = f"of at least {least}" + ("" if most is None else f" and at most {most}")
        raise InputError(f"expected a whole number {bounds} as {name}, got {value!r}; {hint}")
    return int(value)


def finite_number(value: Any, name: str, *, hint: str) -> float:
    """Return `value` as a float. Raises InputError unless `value` is a number that is not NaN or infinite."""
    if not is_number(value):
        raise InputError(f"expected a number as {name}, got {value!r}; {hint}")
    return float(value)


def is_number(value: Any) -> bool:
    """Whether `value` is a finite number of Python or NumPy. True and False do not count as numbers.

    >>> [is_number(v) for v in (1, np.float32(0.5), True, "1", float("nan"))]
    [True, True, False, False, False]
    """
    known = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    try:
        return known and bool(np.isfinite(float(value)))
    except OverflowError:  # a whole number beyond any float
        return False


def is_whole(value: object) -> bool:
    """Whether `value` is an int of Python or NumPy. True, False and 3.0 do not count as ints.

    >>> [is_whole(v) for v in (3, np.int64(3), 3.0, True)]
    [True, True, False, False]
    """
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_kind(value: object, *kinds: type) -> bool:
    """The result of `isinstance`, for values of uncertain type: arguments from untyped code, and values read from a
    file."""
    return isinstance(value, kinds)


def is_array(value: object) -> TypeGuard[NDArray[Any]]:
    """Whether `value` is a NumPy array."""
    return isinstance(value, np.ndarray)


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether `value` is a dict, which JSON calls an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether `value` is a list, with items of any kind."""
    return isinstance(value, list)


def unfit_path(path: str | os.PathLike[str], *, folder: bool = False) -> str | None:
    """The reason why no file can be read at `path`, as a text that follows "got PATH, " in an error message. The result
    is None for a regular file and, if `folder` is true, for a folder.

    Pipes and devices are never opened. Opening a pipe waits until another process writes to it, and the data of a
    device may never end.

    >>> unfit_path("no/such/file"), unfit_path("."), unfit_path(".", folder=True)
    ('which is not there', 'which is a folder', None)
    """
    try:
        mode = os.stat(path).st_mode
    except PermissionError:
        return "which you have no permission to read"
    except (OSError, ValueError):  # a name that no file can have
        return "which is not there"
    if stat.S_ISREG(mode) or (folder and stat.S_ISDIR(mode)):
        return None
    return "which is a folder" if stat.S_ISDIR(mode) else "which is a device, pipe or socket"


def nearest(name: str, known: Iterable[str], *, other: str = "pick one") -> str:
    """A suggestion for a misspelt name, or `other` if no known name is like it.

    >>> nearest("transfr", ["transfer", "vit-small"]), nearest("zzz", ["transfer"])
    ("did you mean 'transfer'?", 'pick one')
    """
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else other


def fits_in_memory(size: int) -> bool:
    """Whether `size` bytes of memory are free now. If the free memory isn't known, the result is whether `size` is at
    most 2**62 bytes."""
    free = available_memory()
    return size <= (2**62 if free is None else free)


def available_memory() -> int | None:
    """The bytes of memory that are free now, within the limit of this process's cgroup. The result is None if the free
    memory isn't known.

    Linux grants more memory than the machine has, and kills a process that uses too much memory. So a large request for
    memory is first compared with the free memory.
    """
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None
    folder = Path("/sys/fs/cgroup")
    try:
        most = int((folder / "memory.max").read_text())  # "max" if there is no limit
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        used = int((folder / "memory.current").read_text()) - int(stat.get("inactive_file", 0))
    except (OSError, ValueError):
        return free
    return min(free, max(0, most - used))
