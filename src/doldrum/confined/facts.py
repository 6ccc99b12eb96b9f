"""Outside of the confined process: what comes back from it is an attacker's, so each value is checked or made visible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from doldrum.intake import visible

__all__ = ["lines", "names_of", "skipped", "whole"]


def whole(value: Any, least: int = 1) -> int:
    """`value`, where it is a whole number from `least` up; ValueError for anything else."""
    if type(value) is not int or not least <= value < 1 << 31:
        raise ValueError(f"expected a whole number, got {value!r}")
    return value


def lines(values: Any) -> list[str]:
    """At most 100 strings as visible text."""
    return [visible(str(v), most=2000) for v in list(values)[:100]]


def names_of(values: Any, *, most: int) -> list[str] | None:
    """The classes' names as visible text of `most` characters each; None if there are none."""
    return None if values is None else [visible(str(name), most=most) for name in values]


def skipped(found: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """[{id, why}] as visible text."""
    return [{"id": visible(str(one["id"])), "why": visible(str(one["why"]), most=1000)} for one in found]
