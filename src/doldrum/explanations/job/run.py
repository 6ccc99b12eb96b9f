"""`run_explanation` runs the whole job of `doldrum explain`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from doldrum.confined.job import OPENING, Job
from doldrum.confined.run import run_job
from doldrum.confined.splits import as_file
from doldrum.explanations.job.record import RECORD, write_record
from doldrum.explanations.job.settings import ExplanationSettings
from doldrum.records.explanations import ExplanationRecord

__all__ = ["run_explanation"]

_JOB = Job(
    name="explanation",
    article="an",
    function="doldrum.explanations.job.work:work",
    record=RECORD,
    stages=OPENING | {"explain": "explaining"},
)


def run_explanation(
    settings: ExplanationSettings, *, progress: bool = True, say: Callable[[str], None] = lambda text: None
) -> ExplanationRecord:
    """Explain flagged images of a model. Write record.json and pictures/ to `settings.out`.

    The model and the images may be from somebody else. `doldrum explain` then makes report.html from the written files
    (:func:`doldrum.report.explanations.page.write_explanations_page`). The model and the images are opened in a
    confined process, as in :func:`doldrum.audit.run_audit`. If the run is killed, the same call continues the run.
    After a complete run, the same call only returns the record.

    Raises InputError if the folder holds something else or another run uses it, if images cannot be read, or if there
    are too few clean images. Raises SandboxError if the confined process exceeds its memory or time, or dies.
    """
    return run_job(
        _JOB, settings, write=write_record, read=ExplanationRecord.load, send_as=_sent, progress=progress, say=say
    )


def _sent(settings: ExplanationSettings, folder: Path) -> dict[str, Any]:
    """The settings for the confined process. If the setting `clean` names one of doldrum's own data sets, the name is
    replaced by the path of a file in `folder`.

    The confined process cannot download data sets.
    """
    made = settings.to_dict()
    return made | {"clean": as_file(made["clean"], "test", folder / "clean-split.npz")}
