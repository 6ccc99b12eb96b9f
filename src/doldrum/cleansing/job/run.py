"""run_cleansing: the job of a cleansing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doldrum.cleansing.job.settings import CleansingSettings
from doldrum.cleansing.job.summary import SUMMARY, write_summary
from doldrum.confined.job import OPENING, SCANNING, Job
from doldrum.confined.run import run_job
from doldrum.confined.splits import as_file

__all__ = ["run_cleansing"]

_JOB = Job(
    name="cleansing",
    function="doldrum.cleansing.job.work:work",
    record=SUMMARY,
    stages=OPENING | {"classes": "activations by label"} | SCANNING,
)


def run_cleansing(
    settings: CleansingSettings, *, progress: bool = True, say: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Cleanse a training set that somebody else made, by a model that somebody else made; gives what summary.json holds.

    Leaves drop.txt (a row number per line, from 0), clean.npz (the samples that stay), samples.parquet and summary.json in
    `settings.out`. Model and images are opened in a confined process, as by :func:`doldrum.audit.run_audit`. Killed at any
    moment, the same call continues where it stopped; called again when all is done, it gives the summary.

    Raises InputError for a folder of something else or one that another run is at work in, a set without labels, too few clean images; ClassifierError if the
    model can't serve the method; SandboxError when the confined process exceeds its memory or time, or dies.
    """
    return run_job(_JOB, settings, write=write_summary, read=_summary, send_as=_as_files, progress=progress, say=say)


def _summary(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _as_files(settings: CleansingSettings, folder: Path) -> dict[str, Any]:
    """The settings with splits of ours as .npz in `folder`: the confined process can't fetch them."""
    told = settings.to_dict()
    for name, part in (("images", "train"), ("clean", "test")):
        told[name] = as_file(told[name], part, folder / f"{name}-split.npz")
    return told
