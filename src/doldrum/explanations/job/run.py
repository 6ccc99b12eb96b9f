"""run_explanation: the job of an explanation."""

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
    """Explain flagged images by a model, both made by somebody else; leaves record.json and pictures/ in `settings.out`.

    `doldrum explain` then makes report.html of these (:func:`doldrum.report.explanations.page.write_explanations_page`).

    Model and images are opened in a confined process, as by :func:`doldrum.audit.run_audit`. Killed at any moment, the same call goes on
    where it was; called again when all is done, it gives the record.

    Raises InputError for a folder of something else or one that another run is at work in, images that can't be read, too few clean
    images; SandboxError when the confined process exceeds its memory or time, or dies.
    """
    return run_job(
        _JOB, settings, write=write_record, read=ExplanationRecord.load, send_as=_sent, progress=progress, say=say
    )


def _sent(settings: ExplanationSettings, folder: Path) -> dict[str, Any]:
    """The settings, with a split of a data set that doldrum knows as a file: the confined process can't fetch it."""
    made = settings.to_dict()
    return made | {"clean": as_file(made["clean"], "test", folder / "clean-split.npz")}
