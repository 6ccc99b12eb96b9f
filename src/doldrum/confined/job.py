"""Job: what the code that all jobs share needs to know about one job (such as an audit) on somebody else's files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["OPENING", "SCANNING", "Begun", "Job", "Tell"]

Tell = Callable[[Any], None]
"""A function with which the confined process reports its progress: {stage, total, done}, or {say: a line}."""

OPENING = {"model": "opening the model", "images": "reading images", "clean": "reading clean images"}
"""Stages that the module `material` reports, and their names in a progress bar."""
SCANNING = {
    "timing": "timing forwards",
    "fit": "fitting",
    "calibrate": "calibrating",
    "scan": "scanning",
}
"""Stages that the package `scanning` reports, and their names in a progress bar."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """The description of a job on somebody else's files.

    Parameters
    ----------
    name, article : str
        The job's name in messages, and its article, such as "audit" and "an". The job's folder has a file NAME.json, with the settings that the
        job began with.
    function : "package.module:function"
        The function that the confined process calls: `work(job, tell)`, where `job` has `settings`, `work` (a folder) and `seed`. The function returns facts.
    record : str
        The last file that the job writes into its folder. If this file exists, the job is finished.
    stages : mapping of a stage's name to words
        The stages that the function may report. Other stages are not shown, because an attacker could choose their names.
    """

    name: str
    article: str = "a"
    function: str
    record: str
    stages: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A job that has begun: its folder, the inner folder for files of the confined process, the seed, and the model's SHA-256."""

    out: Path
    work: Path
    seed: int
    model_sha256: str
