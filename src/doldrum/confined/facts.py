"""Outside of the confined process: check the values that the process returns, or escape control characters in these values.

An attacker may control the confined process, and so the values that it returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from doldrum.intake import visible

__all__ = ["lines", "names_of", "skipped", "whole"]


def whole(value: Any, least: int = 1) -> int:
    """Return `value` if it is a whole number of at least `least`; raise ValueError for anything else."""
    if type(value) is not int or not least <= value < 1 << 31:
        raise ValueError(f"expected a whole number, got {value!r}")
    return value


def lines(values: Any) -> list[str]:
    """At most 100 strings, with control characters escaped."""
    return [visible(str(v), most=2000) for v in list(values)[:100]]


def names_of(values: Any, *, most: int) -> list[str] | None:
    """The class names, with control characters escaped, each at most `most` characters long; None if there are no names."""
    return None if values is None else [visible(str(name), most=most) for name in values]


def skipped(found: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The list of skipped files [{id, why}], with control characters escaped."""
    return [{"id": visible(str(one["id"])), "why": visible(str(one["why"]), most=1000)} for one in found]
