"""A function to see that a confined process answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["double"]


def double(argument: Any, tell: Callable[[Any], None]) -> Any:
    """Twice the argument."""
    tell("doubling")
    return argument * 2
