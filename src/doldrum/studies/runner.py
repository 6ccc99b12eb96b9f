"""run_study: run the cells of a grid, and write a record for each cell. A run can be killed at any time and continued."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from doldrum.errors import InputError
from doldrum.files import check_folder_writable, holds_files
from doldrum.progress import progress_bar
from doldrum.provenance import versions_and_machine
from doldrum.records.study import MANIFEST, RECORDS, StudyManifest, StudyRecords, read_manifest, read_study
from doldrum.spread import check_workers
from doldrum.studies.base import Study
from doldrum.studies.find import get_study
from doldrum.studies.grid import load_grid
from doldrum.studies.store import RecordsFile
from doldrum.studies.workers import run_all

__all__ = ["run_study"]

_START = b'{"key"'  # of a record's line


def run_study(
    study: str | Study,
    grid: str | Path | Mapping[str, Any] = "quick",
    *,
    out: str | Path,
    workers: int | None = None,
    ray: str | None = None,
    say: Callable[[str], None] = lambda text: None,
    command: str = "",
) -> StudyRecords:
    """Run the cells (combinations of settings) of a grid that have no record in `out` yet, and return all records of the grid.

    Parameters
    ----------
    study
        A name that `list_studies` returns, or a Study.
    grid
        "quick", "full", a .toml or .json file, or a mapping; see `load_grid`.
    out
        The results folder. study.json has the command and the list of cells. records.jsonl gets a line when a cell ends. A cell
        that has a record is not run again, even if the record came from another grid. Cells that failed are run again. If the
        study is killed, only the cells that are being computed are lost.
    workers
        The number of processes, each with one thread; by default 1. The records do not depend on the number of processes.
    ray
        The address of a Ray cluster whose workers run the cells, by default one per CPU; see `doldrum.spread`. The machines of the
        cluster need doldrum, the data sets, and a shared folder of attacked models (`doldrum.attacks.victims_folder`).
    say
        A function that receives a line of text per cell: how many cells are done, how long the cell took, and how long the
        rest will take.

    Before any work, raises InputError for a grid with an unknown field or name, and DatasetNotFoundError for missing data.
    Raises OSError if the disk is full. If a cell raises an error, the error is recorded in `failures`, and the other cells
    continue.

    >>> import tempfile
    >>> from doldrum.studies import Cell
    >>> toy = Study("toy", Cell, lambda cell: {"twice": 2 * cell.seed}, grids={})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     records = run_study(toy, {"data": "digits", "seed": [0, 1]}, out=folder)
    >>> [record.values["twice"] for record in records.cells], records.missing
    ([0, 2], 0)
    """
    study = get_study(study) if isinstance(study, str) else study
    check_workers(workers, ray=ray)
    folder = Path(out)
    _check_folder(folder, study)  # before the grid, for which images may be made
    name, cells = load_grid(study, grid)
    jobs = {study.key(cell): cell for cell in cells}
    folder.mkdir(parents=True, exist_ok=True)
    with RecordsFile(folder / RECORDS) as file:
        manifest = StudyManifest(
            study=study.name, grid=name, keys=tuple(jobs), command=command, provenance=versions_and_machine()
        )
        manifest.save(folder / MANIFEST)
        found = read_study(folder)
        finished = {record.key for record in found.cells}
        todo = [(key, cell) for key, cell in jobs.items() if key not in finished]
        again = len(found.failures)
        say(
            f"{study.name}: {len(jobs)} {'cell' if len(jobs) == 1 else 'cells'}, {len(finished)} done before, {len(todo)} to do"
            + (f" ({again} failed last time)" if again else "")
        )
        began = time.monotonic()
        with progress_bar(f"study {study.name}", len(todo), show=bool(todo)) as advance:
            for count, (key, cell, outcome) in enumerate(run_all(study.run, todo, workers=workers, ray=ray), start=1):
                file.add({"key": key, "cell": cell.to_dict(), **outcome})
                left = (time.monotonic() - began) / count * (len(todo) - count)
                failed = f" FAILED, {outcome['error']}" if "error" in outcome else ""
                say(f"{count}/{len(todo)} {cell.label()}:{failed} {outcome['seconds']:.0f} s; about {_time(left)} left")
                advance(1)
    return read_study(folder)


def _check_folder(folder: Path, study: Study) -> None:
    check_folder_writable(folder)
    if (folder / MANIFEST).is_file():
        there = read_manifest(folder).study
        if there != study.name:
            raise InputError(
                f"expected a folder of the study {study.name}, got {folder}, the folder of the study {there}; name another folder"
            )
    elif holds_files(folder) and not (folder / RECORDS).is_file():
        raise InputError(
            f"expected a new or empty folder, or the folder of a study, got {folder}, which holds something else; name another with --out"
        )
    elif not _ours(folder / RECORDS):
        raise InputError(
            f"expected a new folder, or the folder of a study, got {folder}, which has a file {RECORDS} that no study wrote; name another folder with --out"
        )


def _ours(records: Path) -> bool:
    """Whether a folder without a manifest may be used for a study.

    The folder may be used if its file of records does not exist, is empty, or starts like a study's file of records, even if
    only its first characters were written.
    """
    if not records.is_file():
        return True
    with records.open("rb") as file:
        start = file.read(len(_START))
    return start == _START[: len(start)]


def _time(seconds: float) -> str:
    """A time in seconds as text, in seconds, minutes or hours.

    >>> _time(40), _time(400), _time(9000)
    ('40 s', '7 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
