"""run_audit: the function that runs an audit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from doldrum.audit.explaining import STAGE
from doldrum.audit.inspected import Inspected
from doldrum.audit.record import RECORD, write_record
from doldrum.audit.settings import AuditSettings
from doldrum.checks import is_whole
from doldrum.confined.job import OPENING, SCANNING, Job
from doldrum.confined.run import run_job
from doldrum.confined.sending import Helpers
from doldrum.confined.splits import as_file
from doldrum.inspecting import check_count
from doldrum.records.audit import AuditRecord

__all__ = ["run_audit"]

_JOB = Job(
    name="audit",
    article="an",
    function="doldrum.audit.work:work",
    record=RECORD,
    stages=OPENING | SCANNING | STAGE,
)


def run_audit(
    settings: AuditSettings, *, progress: bool = True, say: Callable[[str], None] = lambda text: None
) -> AuditRecord:
    """Audit a model and images that somebody else made. Writes record.json, rows.parquet and pictures/ to `settings.out`.

    If there are clean images, the model itself is inspected too, after the scan
    (:func:`doldrum.inspecting.run_inspection`). The result of the inspection is in the record. The trigger and the
    pictures that the inspection makes are in the folder `inspection` of `settings.out`. If the scan fails, the error is
    raised and no inspection starts. If a model cannot be inspected, the record says so.

    `doldrum audit` then makes report.html from these files (:func:`doldrum.report.audit.page.write_audit_page`).

    The model and the images are opened, and the model is run, in a confined process
    (:func:`doldrum.sandbox.run_confined`). The calling process only reads JSON of a known form from the confined
    process. If the audit is killed at any moment, the same call continues where it stopped. If the audit was finished
    before, the function returns the saved record.

    With `settings.workers` or `settings.ray`, the scan is spread over workers, and each worker has its own confined process. The record is the
    same for every number of workers. A worker that dies is replaced.

    Parameters
    ----------
    settings : AuditSettings
    progress : bool
        Draw progress bars on standard error, if it is a terminal.
    say : function
        A function that is called with one line of text for each message to the user: the model's accuracy, doubts about
        the model, the number of draws.

    Returns
    -------
    AuditRecord
        `verdict["exit_code"]` is 3 if the scan or the inspection found something, and otherwise 0. The scan found
        something if more images were flagged than the promised rate explains, or if there is a discovery. The
        inspection found something if the model is suspicious or a backdoor is shown.

    Raises
    ------
    InputError
        for a folder that holds something else or is in use by another run, for files that cannot be read or are
        refused, and for too few clean images (the message says how many are needed). The inspection
        (:func:`doldrum.inspecting.run_inspection`) can raise InputError after the scan. The results of the scan are
        kept even if the inspection fails.
    SandboxError
        if the confined process needs more memory or time than allowed, or dies.
    OSError
        if the disk is full.
    """
    asked = settings.inspection
    if asked is not None:
        check_count(asked)
    inspected = Inspected()

    def send_as(settings: AuditSettings, folder: Path) -> dict[str, Any]:
        made = settings.to_dict()
        return made | {"share": settings.share, "clean": as_file(made["clean"], "test", folder / "clean-split.npz")}

    helpers = Helpers(settings.workers, settings.ray) if settings.spreads else None

    def after(facts: dict[str, Any]) -> None:
        if asked is not None:
            sent: Any = facts.get("queries")
            inspected.run(
                asked, budget=settings.budget, sent=int(sent) if is_whole(sent) else 0, progress=progress, say=say
            )

    return run_job(
        _JOB, settings, write=partial(write_record, inspected=inspected), read=AuditRecord.load, send_as=send_as, after=after,
        helpers=helpers, progress=progress, say=say,
    )  # fmt: skip
