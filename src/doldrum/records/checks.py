"""Functions that check a value of a record, and return it in the form that is stored, or raise InputError."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_array, is_kind, is_whole
from doldrum.errors import InputError


def check_order(low: float, high: float, name: str) -> None:
    """Raise InputError if the low limit is above the high limit."""
    if low > high:
        raise InputError(
            f"expected {name} limits in rising order, got the low limit {low} and the high limit {high}; pass (low, high)"
        )


def sequence(values: Any, name: str) -> Sequence[Any] | NDArray[Any]:
    """Check that `values` is a list, tuple or 1-D array, and return it unchanged."""
    if is_array(values) and values.ndim == 1:
        return values
    if is_kind(values, str, bytes, Mapping) or not is_kind(values, Sequence):
        raise InputError(f"expected a list for {name}, got {type(values).__name__}; pass the values as a list")
    return cast("Sequence[Any]", values)


def mapping(values: Any, name: str) -> Mapping[str, Any]:
    """Check that `values` is a mapping, and return it unchanged."""
    if not isinstance(values, Mapping):
        raise InputError(f"expected an object for {name}, got {type(values).__name__}; pass keys and values")
    return cast("Mapping[str, Any]", values)


def jsonable(values: Any, name: str) -> dict[str, Any]:
    """Convert a mapping to JSON and back; tuples become lists."""
    # JSON makes tuples lists. So a record equals the record that is read back from its file.
    try:
        return json.loads(json.dumps(dict(mapping(values, name)), allow_nan=False))
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"expected JSON values without NaN in {name}, got {error}; convert them") from error


def number(value: Any, name: str) -> float:
    """Check that `value` is a finite number, not a boolean, and return it as a float."""
    if not is_kind(value, int, float, np.integer, np.floating) or is_kind(value, bool):
        raise InputError(f"expected a number for {name}, got {value!r}; pass a float")
    try:
        found = float(value)
    except OverflowError:  # an int beyond the largest float
        found = math.inf
    if not math.isfinite(found):
        raise InputError(f"expected a finite number for {name}, got {value}; leave out what was not measured")
    return found


def numbers(values: Any, name: str) -> tuple[float, ...]:
    """Check that all values are finite numbers, and return them as a tuple of floats."""
    return tuple(number(v, name) for v in sequence(values, name))


def positive(value: Any, name: str) -> float:
    """Check that `value` is a finite number above 0."""
    found = number(value, name)
    if found <= 0:
        raise InputError(
            f"expected a positive {name}, got {value}; pass a noise strength above 0, on the scale of the pixel values (0 to 1)"
        )
    return found


def share(value: Any, name: str) -> float:
    """Check that `value` is a finite number in [0, 1]."""
    found = number(value, name)
    if not -1e-9 <= found <= 1 + 1e-9:
        raise InputError(f"expected {name} in [0, 1], got {value}; pass a share, not a percentage")
    return found


def pair(values: Any, name: str) -> tuple[float, float]:
    """Check that `values` is a pair (low, high) of finite numbers in rising order."""
    found = numbers(values, name)
    if len(found) != 2:
        raise InputError(f"expected (low, high) for {name}, got {len(found)} numbers; pass two")
    check_order(*found, name)
    return found[0], found[1]


_MOST = 2**63 - 1  # the largest whole number of 64 bits


def whole(value: Any, name: str, *, least: int = 0) -> int:
    """Check that `value` is a whole number of at least `least`, and less than 2^63."""
    if not is_whole(value) or value < least:
        raise InputError(f"expected a whole number of at least {least} for {name}, got {value!r}; pass an int")
    if value > _MOST:
        raise InputError(f"expected a whole number below 2^63 for {name}, got {value!r}; pass a smaller int")
    return int(value)
