"""run_inspection: the job of an inspection."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doldrum.confined.job import OPENING, Begun, Job
from doldrum.confined.run import run_job
from doldrum.confined.sending import send
from doldrum.confined.splits import as_file
from doldrum.files import write_text_whole
from doldrum.inspecting.record import RECORD, write_record
from doldrum.inspecting.references import Shelf, check_count
from doldrum.inspecting.settings import InspectSettings
from doldrum.lazy import extras
from doldrum.locks import check_out_apart
from doldrum.records.inspection import InspectionRecord

__all__ = ["run_inspection"]


def run_inspection(
    settings: InspectSettings, *, progress: bool = True, say: Callable[[str], None] = lambda text: None
) -> InspectionRecord:
    """Inspect a model that somebody else made; leaves record.json, and where a trigger was found trigger.json and pictures/, in `settings.out`.

    `doldrum inspect` then makes report.html of these (:func:`doldrum.report.inspection.page.write_inspection_page`).

    The model, and every reference model, is opened and run in a confined process (:func:`doldrum.sandbox.run_confined`); this one reads JSON of
    known shape from it. What is found in references is kept in a folder `examined` beside them (in `settings.out`, where that can't be
    written), and used again by other inspections with the same clean images, seed and inspectors. Killed at any moment, the same call goes on where it
    was; called again when all is done, it gives the record.

    Parameters
    ----------
    settings : InspectSettings
    progress : bool
        Draw progress bars on standard error, where it is a terminal.
    say : function
        Hears what is worth knowing on the way, one line each.

    Returns
    -------
    InspectionRecord
        `verdict["exit_code"]` is 3 where the model is suspicious or worse, else 0.

    Raises
    ------
    InputError
        before any work for too few references, and for references that can't be opened, take other images, know other classes or are the model itself; for a
        folder of something else or one that another run is at work in, too few clean images, and files that are refused.
    ClassifierError
        for a model that gives one answer to all clean images or none that is valid, or that no inspector can look into.
    SandboxError
        when a confined process exceeds its memory or time, or dies.
    """
    check_count(settings)
    if settings.references is not None:
        check_out_apart(settings.references, Path(settings.out), what="reference models")
    job = _job(settings)
    counted = [0]

    def send_as(_: InspectSettings, folder: Path) -> dict[str, Any]:
        sent = settings.to_dict() | {"clean": as_file(settings.to_dict()["clean"], "test", folder / "clean-split.npz")}
        if settings.references is None:
            return sent | {"examined": None}
        shelf = Shelf.of(settings)
        if shelf.missing:  # the model first: where it can't be inspected, no time goes into references
            begun = Begun(out=Path(settings.out), work=folder, seed=settings.seed or 0, model_sha256="")
            send(
                job,
                settings,
                sent | {"described": shelf.described(progress=progress)},
                begun,
                progress=progress,
                say=say,
            )
        shelf.examine(sent, progress=progress, say=say)
        found = shelf.examinations()
        counted[0] = len(found)
        examined = write_text_whole(folder / "references.json", json.dumps(found))
        return sent | {"examined": str(examined.resolve())}

    def write(_: InspectSettings, facts: dict[str, Any], begun: Begun) -> InspectionRecord:
        return write_record(settings, facts, begun, count=counted[0])

    return run_job(job, settings, write=write, read=InspectionRecord.load, send_as=send_as, progress=progress, say=say)


def _job(settings: InspectSettings) -> Job:
    with extras():
        from doldrum.inspectors.kinds import DEFAULT, INSPECTORS
    chosen = settings.inspectors or DEFAULT
    stages = {name: f"{i} of {len(chosen)}: looking for {INSPECTORS[name].title}" for i, name in enumerate(chosen, 1)}
    return Job(
        name="inspection",
        article="an",
        function="doldrum.inspecting.work:work",
        record=RECORD,
        stages={**OPENING, **stages, "test": "testing what was found"},
    )
