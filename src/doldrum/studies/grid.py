"""Grids: a mapping or a TOML or JSON file that names the cells of a study."""

from __future__ import annotations

import itertools
import json
import math
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from doldrum.checks import unfit_path
from doldrum.errors import InputError
from doldrum.studies.base import Cell, Study, nearest, unknown

__all__ = ["expand_grid", "load_grid"]

_MOST_CELLS = 100_000


def load_grid(study: Study, grid: str | Path | Mapping[str, Any]) -> tuple[str, list[Cell]]:
    """A grid's name and cells: from "quick" or "full", from a file that ends in .toml or .json, or from a mapping.

    A grid is a table of fields that all cells share, and `cells`: a list of tables, each with fields of its own. A list
    stands for each of its values, and several lists for every combination:

        draws = 50
        [[cells]]
        attack = ["badnets", "blended"]
        seed = [0, 1, 2]

    Raises InputError for a file that can't be read, an unknown field or name (with the nearest known one), or a value
    that a cell can't have.
    """
    if not isinstance(grid, str | os.PathLike):
        return "given", expand_grid(study, grid)
    if str(grid) in study.grids:
        return str(grid), expand_grid(study, study.grids[str(grid)])
    path = Path(grid)
    if path.suffix not in (".toml", ".json"):
        raise InputError(unknown("a grid", str(grid), study.grids) + ", or pass a file that ends in .toml or .json")
    if why := unfit_path(path):
        raise InputError(f"expected a grid in a file, got {path}, {why}; check the path")
    try:
        text = path.read_text(encoding="utf-8")
        found = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"expected a grid in {path}, got {error}; fix the file") from error
    try:
        return path.name, expand_grid(study, found)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def expand_grid(study: Study, grid: Mapping[str, Any]) -> list[Cell]:
    """The cells of a grid, in order, but all of the first seed before any of the next: a study cut short covers every
    attack. A cell named twice is one cell.
    """
    if not isinstance(grid, Mapping) or not grid:
        found = "none" if isinstance(grid, Mapping) else type(grid).__name__
        raise InputError(f"expected a grid with fields of a cell, got {found}; name some, such as attack and seed")
    shared = dict(grid)
    named = shared.pop("study", study.name)
    if named != study.name:
        raise InputError(f"expected a grid for the study {study.name}, got one for {named!r}; pass another")
    blocks = shared.pop("cells", [{}])
    if not isinstance(blocks, list | tuple) or not all(isinstance(b, Mapping) for b in blocks) or not blocks:
        raise InputError("expected cells to be a list of at least one table, got something else; write [[cells]]")
    count = sum(math.prod(len(c) for c in _choices_of(study, {**shared, **b}).values()) for b in blocks)
    if count > _MOST_CELLS:
        raise InputError(f"expected at most {_MOST_CELLS:,} cells, got {count:,}; shorten lists, or split the grid")
    cells: dict[str, Cell] = {}
    for block in blocks:
        for values in _combinations(study, {**shared, **block}):
            try:
                cell = study.cell(**values)
            except TypeError as error:
                raise InputError(f"expected values that a cell can have, got {values}; {error}") from error
            cells.setdefault(json.dumps(cell.to_dict(), sort_keys=True, default=str), cell)
    for cell in cells.values():
        try:
            study.check(cell)
        except InputError as error:
            raise InputError(f"{cell.label()}: {error}") from error
    return sorted(cells.values(), key=lambda cell: cell.seed)


def _combinations(study: Study, block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    choices = _choices_of(study, block)
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def _choices_of(study: Study, block: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values of each field, in the order of the fields."""
    known = {f.name: f for f in fields(study.cell)}
    for name in block:
        if name not in known:
            close = "write cells once, at the end" if name == "cells" else nearest(name, [*known, "cells"])
            raise InputError(f"expected fields of a cell ({', '.join(known)}), got {name!r}; {close}")
    names = [name for name in known if name in block]
    choices = {n: _choices(block[n], whole=isinstance(known[n].default, tuple)) for n in names}
    for name, choice in choices.items():
        if not choice:
            raise InputError(f"expected at least one value for {name}, got an empty list; give one")
    return choices


def _choices(value: Any, *, whole: bool) -> list[Any]:
    """The values that a list stands for; a field that is itself a list takes a flat one as a single value."""
    if not isinstance(value, list | tuple):
        return [value]
    if whole and not any(isinstance(v, list | tuple) for v in value):
        return [tuple(value)] if value else []
    return list(value)
