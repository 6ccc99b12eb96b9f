"""Checks of plain arguments, shared by every package."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError

__all__ = [
    "available_memory", "finite_number", "fits_in_memory", "is_array", "is_kind", "is_list", "is_number", "is_object", "is_whole",
    "unfit_path", "whole_number",
]  # fmt: skip


def whole_number(value: Any, name: str, *, least: int, most: int | None = None, hint: str = "pass one") -> int:
    """`value` as an int; InputError unless it is a whole number of at least `least` and at most `most`.

    3.0 is one; 2.7, NaN, "3", True and None are not.

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
    """`value` as a float; InputError unless it is a number, and not NaN or infinite."""
    if not is_number(value):
        raise InputError(f"expected a number as {name}, got {value!r}; {hint}")
    return float(value)


def is_number(value: Any) -> bool:
    """Whether this is a finite number, Python's or NumPy's; True and False are none.

    >>> [is_number(v) for v in (1, np.float32(0.5), True, "1", float("nan"))]
    [True, True, False, False, False]
    """
    known = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    try:
        return known and bool(np.isfinite(float(value)))
    except OverflowError:  # a whole number beyond any float
        return False


def is_whole(value: object) -> bool:
    """Whether this is an int, Python's or NumPy's; True and False are none, and neither is 3.0.

    >>> [is_whole(v) for v in (3, np.int64(3), 3.0, True)]
    [True, True, False, False]
    """
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_kind(value: object, *kinds: type) -> bool:
    """isinstance, of an argument that code without types may get wrong, or of a value read from a file."""
    return isinstance(value, kinds)


def is_array(value: object) -> TypeGuard[NDArray[Any]]:
    """Whether this is an array of NumPy's."""
    return isinstance(value, np.ndarray)


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether this is what JSON calls an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether this is a list, of anything."""
    return isinstance(value, list)


def unfit_path(path: str | os.PathLike[str], *, folder: bool = False) -> str | None:
    """Why nothing can be read at `path`, after "got PATH, "; None for a regular file, and with `folder` for a folder.

    Opening a pipe waits for somebody to write into it, and a device may have no end: neither is ever opened.

    >>> unfit_path("no/such/file"), unfit_path("."), unfit_path(".", folder=True)
    ('which is not there', 'which is a folder', None)
    """
    try:
        mode = os.stat(path).st_mode
    except PermissionError:
        return "which may not be read"
    except (OSError, ValueError):  # a name that no file can have
        return "which is not there"
    if stat.S_ISREG(mode) or (folder and stat.S_ISDIR(mode)):
        return None
    return "which is a folder" if stat.S_ISDIR(mode) else "which is a device, pipe or socket"


def fits_in_memory(size: int) -> bool:
    """Whether `size` bytes can be taken now; where that isn't known, whether an address can name them."""
    free = available_memory()
    return size <= (2**62 if free is None else free)


def available_memory() -> int | None:
    """Bytes that can be taken now without pushing others out, within this process's cgroup; None if that isn't known.

    Linux grants more than there is and kills who uses it, so a large request is held against this before it is made.
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
