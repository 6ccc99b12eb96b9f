"""A script of tools/, which has no .py to its name, as a module."""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

__all__ = ["load_tool"]


def load_tool(name: str) -> Any:
    """tools/`name`."""
    module = name.replace("-", "_")
    loader = SourceFileLoader(module, str(Path(__file__).parents[2] / "tools" / name))
    spec = spec_from_loader(module, loader)
    assert spec is not None
    made = module_from_spec(spec)
    sys.modules[module] = made  # dataclasses look their module up
    loader.exec_module(made)
    return made
