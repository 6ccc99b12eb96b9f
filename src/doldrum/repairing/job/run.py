"""`run_repair` runs the whole job of `doldrum repair`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from doldrum.confined.job import OPENING, Job
from doldrum.confined.run import run_job
from doldrum.confined.splits import as_file
from doldrum.errors import InputError
from doldrum.files import check_file_writable
from doldrum.opening.files import digest_of
from doldrum.records.repair import RepairRecord
from doldrum.repairing.job.record import RECORD, made_name, write_record
from doldrum.repairing.job.settings import RepairSettings

__all__ = ["run_repair"]

_JOB = Job(
    name="repair",
    function="doldrum.repairing.job.work:work",
    record=RECORD,
    stages=OPENING | {"repair": "repairing", "again": "inspecting the repaired model"},
)


def run_repair(
    settings: RepairSettings, *, progress: bool = True, say: Callable[[str], None] = lambda text: None
) -> RepairRecord:
    """Repair a model from somebody else.

    Write the repaired model to `settings.repaired`, and record.json to `settings.out`.

    `doldrum repair` then makes report.html from the record (:func:`doldrum.report.repair.page.write_repair_page`). The
    model is opened, trained and run in a confined process, as in :func:`doldrum.audit.run_audit`. The given model file
    is never changed. If the run is killed, the same call continues the run.

    Raises InputError for a model whose weights cannot be trained or written, and for too few clean images or images of
    only one class. Also raises InputError if the model that a finished repair wrote was deleted or changed. Raises
    SandboxError if the confined process exceeds its memory or time, or dies; then no model is written. Raises OSError
    if the disk is full, or if a file has appeared at `settings.repaired`.
    """
    path = Path(settings.repaired)
    if path.exists() and not (Path(settings.out) / RECORD).exists():
        if not _cut_off(settings):
            raise InputError(f"expected --out as a new file, got {path}, which is there already; name another")
        path.unlink()  # it is made again
    check_file_writable(path)
    record = run_job(
        _JOB, settings, write=write_record, read=RepairRecord.load, send_as=_sent, progress=progress, say=say
    )
    if not path.is_file() or digest_of(path) != record.repaired["sha256"]:
        got = "another file" if path.is_file() else "nothing there"
        raise InputError(
            f"expected the repaired model at {path}, as the repair in {settings.out} left it, got {got}; name another --out, or delete the folder {settings.out}, and run the same command again"
        )
    return record


def _cut_off(settings: RepairSettings) -> bool:
    """Whether an earlier run was killed after it wrote the complete model to --out, but before it wrote its record."""
    path = Path(settings.repaired)
    made = Path(settings.out) / "work" / made_name(settings)
    return path.is_file() and made.is_file() and not path.is_symlink() and digest_of(path) == digest_of(made)


def _sent(settings: RepairSettings, folder: Path) -> dict[str, Any]:
    """Return the settings for the confined process, with the trigger. A data set that doldrum knows by name is replaced
    by a file in `folder`.

    The confined process cannot download data sets or read the trigger's folder.
    """
    made, found = settings.to_dict(), settings.found
    return made | {
        "clean": as_file(made["clean"], "test", folder / "clean-split.npz"),
        "recovered": None if found is None else asdict(found),
    }
