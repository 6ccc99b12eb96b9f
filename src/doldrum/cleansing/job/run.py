"""`run_cleansing` runs the whole job of `doldrum cleanse`."""

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
    """Cleanse a training set from somebody else, with a model from somebody else. Return the content of summary.json.

    Writes four files to `settings.out`: drop.txt (one row number per line, from 0), clean.npz (the samples to keep),
    samples.parquet and summary.json. The model and the images are opened in a confined process, as in
    :func:`doldrum.audit.run_audit`. If the run is killed, the same call continues the run. After a complete run, the
    same call only returns the summary.

    Raises InputError if the folder holds other files, if another run uses the folder, if the training set has no
    labels, or if there are too few clean images. Raises ClassifierError if the method cannot use the model. Raises
    SandboxError if the confined process exceeds its memory or time, or dies.
    """
    return run_job(_JOB, settings, write=write_summary, read=_summary, send_as=_as_files, progress=progress, say=say)


def _summary(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _as_files(settings: CleansingSettings, folder: Path) -> dict[str, Any]:
    """The settings for the confined process. If a setting names one of doldrum's own data sets, the name is replaced by
    the path of an .npz file in `folder`.

    The confined process cannot download data sets.
    """
    told = settings.to_dict()
    for name, part in (("images", "train"), ("clean", "test")):
        told[name] = as_file(told[name], part, folder / f"{name}-split.npz")
    return told
