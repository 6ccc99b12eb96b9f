"""Outside of the confined process: check the values that the process returns, or escape control characters in these values.

An attacker may control the confined process, and so the values that it returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from doldrum.intake import visible

__all__ = ["lines", "names_of", "skipped", "whole"]


def whole(value: Any, least: int = 1) -> int:
    """Return `value` if it is a whole number from `least` to 2^31 - 1; otherwise raise ValueError."""
    if type(value) is not int or not least <= value < 1 << 31:
        raise ValueError(f"expected a whole number, got {value!r}")
    return value


def lines(values: Any) -> list[str]:
    """The first 100 of `values` as strings, with control characters escaped."""
    return [visible(str(v), most=2000) for v in list(values)[:100]]


def names_of(values: Any, *, most: int) -> list[str] | None:
    """The class names as strings of at most `most` characters, with control characters escaped; None if there are no
    names."""
    return None if values is None else [visible(str(name), most=most) for name in values]


def skipped(found: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The skipped files, each with its name (`id`) and the reason (`why`), as strings with control characters
    escaped."""
    return [{"id": visible(str(one["id"])), "why": visible(str(one["why"]), most=1000)} for one in found]
