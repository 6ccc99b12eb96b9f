"""Checks of the values of a cell's fields. A check raises InputError for an invalid value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doldrum.attacks import CLEAN, get_attack
from doldrum.checks import is_number
from doldrum.errors import InputError

__all__ = ["adds_samples", "at_most", "check_whole", "numbers", "share", "table"]


def check_whole(cell: object, *limits: tuple[str, int, int | None]) -> None:
    """Check that fields of a cell are whole numbers in their allowed ranges. Each range is given as (name of the field,
    smallest value, largest value)."""
    for name, least, most in limits:
        value = getattr(cell, name)
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or value < least
            or (most is not None and value > most)
        ):
            top = "" if most is None else f" and at most {most:,}"
            raise InputError(
                f"expected {name} to be a whole number of at least {least}{top}, got {value!r}; change {name}"
            )


def share(value: Any, name: str) -> float:
    """Check that `value` is a number in [0, 1], and return it as a float.

    >>> share(1, "rate")
    1.0
    """
    if not (is_number(value) and 0 <= value <= 1):
        raise InputError(f"expected {name} to be a share from 0 to 1, got {value!r}; write 5% as 0.05")
    return float(value)


def numbers(values: Any, name: str, *, example: str) -> tuple[float, ...]:
    """Check that all values are numbers above 0, and return them sorted, without duplicates.

    >>> numbers([0.2, 0.1, 0.2], "strengths", example="")
    (0.1, 0.2)
    """
    listed = isinstance(values, list | tuple) and len(values) > 0
    if not listed or not all(is_number(v) and 0 < v < 1000 for v in values):
        raise InputError(f"expected {name} to be a list of numbers above 0, got {values!r}; e.g. {example}")
    return tuple(sorted({float(v) for v in values}))


def table(value: Any, name: str, *, example: str) -> Mapping[str, Any]:
    """Check that `value` is a mapping of names to values, and return it."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InputError(f"expected {name} to be a mapping of names to values, got {value!r}; e.g. {example}")
    return value


def at_most(there: int, name: str, asked: int, *, what: str) -> None:
    """Check that a cell does not need more images than the data set has."""
    if asked > there:
        raise InputError(
            f"expected at most {there:,} images for {what} (all images of {name}), got {asked:,} images; ask for fewer images"
        )


def adds_samples(attack: str) -> None:
    """Raise InputError for attacks that change the training. Attacks that only add samples to the training set are
    allowed, and so is "clean"."""
    if attack != CLEAN and get_attack(attack).threat_model == "training":
        raise InputError(
            f"expected an attack that only adds samples, got {attack}, which changes the training; leave out this attack"
        )
