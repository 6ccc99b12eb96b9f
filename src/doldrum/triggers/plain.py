"""Check the types of a trigger's settings, which are given by annotations."""

from __future__ import annotations

import dataclasses
from typing import Any

from doldrum.checks import is_number
from doldrum.errors import InputError

__all__ = ["check_plain_settings"]


def check_plain_settings(trigger: Any) -> None:
    """Raise InputError unless every int, float and str field of a new trigger has a value of its type.

    Whole numbers such as 3.0 become int in int fields. Fields of other types, such as arrays, are checked in the
    trigger's own class.
    """
    for field in dataclasses.fields(trigger):
        value, kind = getattr(trigger, field.name), getattr(field.type, "__name__", field.type)
        if kind in ("int", "float"):
            if not is_number(value) or (kind == "int" and value != int(value)):
                wanted = "a whole number" if kind == "int" else "a number"
                _refuse(trigger, field, wanted, value)
            if kind == "int":
                object.__setattr__(trigger, field.name, int(value))
        elif kind == "str" and not isinstance(value, str):
            _refuse(trigger, field, "text", value)
        elif kind in ("tuple[int, ...]", "tuple[float, ...]"):
            items = value if isinstance(value, (tuple, list)) else None
            if items is None or not all(map(is_number, items)):
                _refuse(trigger, field, "several numbers", value)


def _refuse(trigger: Any, field: dataclasses.Field[Any], wanted: str, value: Any) -> None:
    default = "" if field.default in (dataclasses.MISSING, None) else f", e.g. {field.default}"
    raise InputError(
        f"expected {wanted} as the setting {field.name} of trigger {trigger.name!r}, got {value!r}; pass {wanted}{default}"
    )
