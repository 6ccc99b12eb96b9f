"""Grids. A grid is a mapping, or a TOML or JSON file, that lists the cells (combinations of settings) of a study."""

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

from doldrum.checks import nearest, unfit_path
from doldrum.errors import InputError
from doldrum.studies.base import Cell, Study, unknown

__all__ = ["expand_grid", "load_grid"]

_MOST_CELLS = 100_000


def load_grid(study: Study, grid: str | Path | Mapping[str, Any]) -> tuple[str, list[Cell]]:
    """Return the name of a grid, and a list of the grid's cells. Each cell is one combination of settings.

    `grid` is "quick", "full", the path of a .toml or .json file, or a mapping. A grid has fields that apply to all
    cells, and a list `cells` of tables. The fields in a table of `cells` apply only to the cells of this table. If the
    value of a field is a list, there is one cell for each value in the list. If several fields have lists, there is one
    cell for each combination of their values:

        draws = 50
        [[cells]]
        attack = ["badnets", "blended"]
        seed = [0, 1, 2]

    Raises InputError for a file that cannot be read, for an unknown field or name (the message suggests the nearest
    known name), or for an invalid value.
    """
    if not isinstance(grid, str | os.PathLike):
        return "given", expand_grid(study, grid)
    if str(grid) in study.grids:
        return str(grid), expand_grid(study, study.grids[str(grid)])
    path = Path(grid)
    if path.suffix not in (".toml", ".json"):
        raise InputError(
            unknown("a grid", str(grid), study.grids) + ", or pass a file whose name ends in .toml or .json"
        )
    if why := unfit_path(path):
        raise InputError(f"expected the path of a file with a grid, got the path {path}, {why}; check the path")
    try:
        text = path.read_text(encoding="utf-8")
        found = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"expected a grid in the file {path}, got an error while reading the file: {error}; fix the file"
        ) from error
    try:
        return path.name, expand_grid(study, found)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def expand_grid(study: Study, grid: Mapping[str, Any]) -> list[Cell]:
    """The cells (combinations of settings) of a grid, sorted by seed, without duplicates.

    The cells with the same seed stay in the order of the grid. So an interrupted study has results of all attacks for
    the first seeds, not results of the first attacks for all seeds.
    """
    if not isinstance(grid, Mapping) or not grid:
        found = "none" if isinstance(grid, Mapping) else type(grid).__name__
        raise InputError(f"expected a grid with fields of a cell, got {found}; name some, such as attack and seed")
    shared = dict(grid)
    named = shared.pop("study", study.name)
    if named != study.name:
        raise InputError(
            f"expected a grid for the study {study.name}, got a grid for the study {named!r}; pass a grid for {study.name}"
        )
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
                raise InputError(f"expected valid values for the fields of a cell, got {values}; {error}") from error
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
    """Return a dict from the name of each field in a grid's block to the list of the field's values. The fields have
    the same order as in a cell."""
    known = {f.name: f for f in fields(study.cell)}
    for name in block:
        if name not in known:
            close = (
                "write the list of cells once, at the end of the grid"
                if name == "cells"
                else nearest(name, [*known, "cells"])
            )
            raise InputError(f"expected names of fields of a cell ({', '.join(known)}), got {name!r}; {close}")
    names = [name for name in known if name in block]
    choices = {n: _choices(block[n], whole=isinstance(known[n].default, tuple)) for n in names}
    for name, choice in choices.items():
        if not choice:
            raise InputError(f"expected a list with at least one value for {name}, got an empty list; add a value")
    return choices


def _choices(value: Any, *, whole: bool) -> list[Any]:
    """The values that a grid lists for one field. If `whole` is true, each value of the field is itself a list, so a
    list that contains no lists is a single value."""
    if not isinstance(value, list | tuple):
        return [value]
    if whole and not any(isinstance(v, list | tuple) for v in value):
        return [tuple(value)] if value else []
    return list(value)
