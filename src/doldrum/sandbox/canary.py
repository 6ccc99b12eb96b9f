"""Small functions that show whether a confined process answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["double", "doubler"]


def double(argument: Any, tell: Callable[[Any], None]) -> Any:
    """Twice the argument."""
    tell("doubling")
    return argument * 2


def doubler(argument: Any, tell: Callable[[Any], None]) -> tuple[str, Any]:
    """A test function for `Service`: it answers each block of bytes with the block's number, and with a block in which
    every byte occurs twice."""

    def handle(request: Any, read: Any, block: Any) -> tuple[str, int]:
        count = 0
        while request is not None:
            count += 1
            block(count, bytes(byte for byte in request[1] for _ in range(2)))
            request = read()
        return "doubles bytes", count

    return "ready", handle
