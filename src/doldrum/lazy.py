"""Names that are imported when they are first used, so that a package can be imported without torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

from doldrum.errors import missing_extra

__all__ = ["torch_names"]


def torch_names(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """The `__getattr__` of a package whose `homes` (name -> module inside it) need the extra "torch".

    >>> torch_names("doldrum", {"rng": "seeds"})("rng").__name__
    'rng'
    """

    def __getattr__(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        except ModuleNotFoundError as error:
            if error.name in ("torch", "safetensors"):
                raise missing_extra(error.name, "torch") from error
            raise

    return __getattr__
