"""The records of a study: a manifest, and a file with one line of JSON per cell (one combination of settings).

A study only appends lines to the file with its cells.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doldrum.checks import is_object
from doldrum.errors import InputError
from doldrum.records.base import VERSION, Record, check_version
from doldrum.records.checks import jsonable, number, sequence

__all__ = [
    "MANIFEST",
    "RECORDS",
    "CellFailure",
    "CellRecord",
    "StudyManifest",
    "StudyRecords",
    "read_manifest",
    "read_study",
]

MANIFEST, RECORDS = "study.json", "records.jsonl"
"""The files of a study's folder."""


@dataclass(frozen=True, kw_only=True)
class CellRecord(Record):
    """The result of one cell (one combination of settings) of a study.

    `cell` holds the settings, `key` is a hash of them, and `values` holds the results, whose form depends on the study.
    """

    key: str
    cell: Mapping[str, Any]
    values: Mapping[str, Any]
    seconds: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "cell", jsonable(self.cell, "cell"))
        object.__setattr__(self, "values", jsonable(self.values, "values"))
        object.__setattr__(self, "seconds", number(self.seconds, "seconds"))


@dataclass(frozen=True, kw_only=True)
class CellFailure(Record):
    """A cell (one combination of settings) that failed, with the error in one line and the traceback."""

    key: str
    cell: Mapping[str, Any]
    error: str
    trace: str
    seconds: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "cell", jsonable(self.cell, "cell"))
        object.__setattr__(self, "seconds", number(self.seconds, "seconds"))


@dataclass(frozen=True, kw_only=True)
class StudyManifest(Record):
    """The task of a study: its cells, each one combination of settings.

    `keys` holds a hash per cell, in the order of the cells. `provenance` holds the versions and the machine.
    """

    study: str
    grid: str
    keys: tuple[str, ...]
    command: str
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: int = VERSION

    def __post_init__(self) -> None:
        check_version(self.version)
        object.__setattr__(self, "keys", tuple(str(k) for k in sequence(self.keys, "keys")))
        object.__setattr__(self, "provenance", jsonable(self.provenance, "provenance"))


@dataclass(frozen=True)
class StudyRecords:
    """The contents of a study's folder: the finished cells and the failed cells, both in the order of the grid file."""

    manifest: StudyManifest
    cells: tuple[CellRecord, ...]
    failures: tuple[CellFailure, ...]

    @property
    def missing(self) -> int:
        """The number of cells that have not been run; failed cells are not counted."""
        return len(self.manifest.keys) - len(self.cells) - len(self.failures)


def read_study(folder: str | os.PathLike[str]) -> StudyRecords:
    """Read the results that a study has written so far.

    The study may still be running, so an incomplete last line is ignored. A cell that failed first and succeeded later counts
    as finished. Raises InputError if the folder contains no study.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    done: dict[str, CellRecord] = {}
    failed: dict[str, CellFailure] = {}
    for at, line in read_lines(folder / RECORDS):
        try:
            if "values" in line:
                done.setdefault(line["key"], CellRecord.from_dict(line))
            else:
                failed[line["key"]] = CellFailure.from_dict(line)
        except InputError as error:
            raise InputError(
                f"expected a cell's record in line {at} of {folder / RECORDS}, got one that cannot be read ({error}); remove "
                "that line, and the study runs its cell again"
            ) from error
    return StudyRecords(
        manifest,
        tuple(done[key] for key in manifest.keys if key in done),
        tuple(failed[key] for key in manifest.keys if key in failed and key not in done),
    )


def read_manifest(folder: Path) -> StudyManifest:
    """Read the manifest (study.json) of a study's folder, or raise an InputError that says how to get the manifest."""
    path = folder / MANIFEST
    if not path.is_file():
        lost = (folder / RECORDS).is_file()
        do = (
            "run the same doldrum study again, which writes the missing file"
            if lost
            else "make a study's folder with doldrum study"
        )
        raise InputError(
            f"expected a study's folder with {MANIFEST}, got {folder}{' without it' if lost else ''}; {do}"
        )
    try:
        return StudyManifest.load(path)
    except InputError as error:
        raise InputError(
            f"{error}. Or remove {path} and run the same doldrum study again: the command writes the file again and keeps the records"
        ) from error


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """For each complete line of a file of JSON lines, yield the line's number (from 1) and its object.

    A last line without a line break comes from a write that was interrupted, and is ignored.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number_, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                found = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"expected JSON in line {number_} of {path}, got {error}; remove that line, and the study runs its cell again"
                ) from error
            if not is_object(found) or not isinstance(found.get("key"), str):
                raise InputError(f"expected a cell's record in line {number_} of {path}, got none; remove that line")
            yield number_, found
