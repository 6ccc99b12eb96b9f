"""Checks of plain arguments, shared by every room."""

from __future__ import annotations

from typing import Any

import numpy as np

from doldrum.errors import InputError

__all__ = ["whole_number"]


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
