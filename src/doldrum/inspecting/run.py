"""`run_inspection` runs the whole job of `doldrum inspect`."""

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
    """Inspect a model from somebody else. Write record.json to `settings.out`.

    If a trigger was found, trigger.json and pictures/ are also written to this folder. `doldrum inspect` then makes
    report.html from these files (:func:`doldrum.report.inspection.page.write_inspection_page`). The model and every
    reference model are opened and run in confined processes (:func:`doldrum.sandbox.run_confined`). From confined
    processes, the main process reads only JSON of a known form.

    The results of reference models are kept in a folder `examined` next to the models, or in `settings.out` if that
    folder cannot be written. Later inspections with the same clean images, seed and inspectors use the stored results
    again. If the run is killed, the same call continues the run. After a complete run, the same call only returns the
    record.

    Parameters
    ----------
    settings : InspectSettings
    progress : bool
        Draw progress bars on standard error if it is a terminal.
    say : function
        A function that is called with one line of text for each event that a user may want to know about.

    Returns
    -------
    InspectionRecord
        `verdict["exit_code"]` is 3 if the model is suspicious or a backdoor is shown, else 0.

    Raises
    ------
    InputError
        Raised before any work starts if there are too few references, or if a reference cannot be opened or is the
        model itself. Also raised if a reference and the model differ in input shape or number of classes. Also raised
        if the output folder holds other files or another run uses this folder, if there are too few clean images, or if
        a file is refused.
    ClassifierError
        Raised if the model gives no valid answer or the same answer to all clean images, or if no inspector can examine
        it.
    SandboxError
        Raised if a confined process exceeds its memory or time, or dies.
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
        stages={**OPENING, **stages, "test": "testing the result"},
    )
