"""Job: the description of one kind of job that works on somebody else's files, such as an audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["OPENING", "SCANNING", "Begun", "Job", "Tell"]

Tell = Callable[[Any], None]
"""A function with which the confined process reports its progress, as {stage, total, done}, or sends a line of text for
the user, as {say: text}."""

OPENING = {"model": "opening the model", "images": "reading images", "clean": "reading clean images"}
"""The stages that the module `material` reports. Each stage has a text for the progress bar."""
SCANNING = {
    "timing": "timing forwards",
    "fit": "fitting",
    "calibrate": "calibrating",
    "scan": "scanning",
}
"""The stages that the package `scanning` reports. Each stage has a text for the progress bar."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """The properties of a job that works on somebody else's files.

    Parameters
    ----------
    name, article : str
        The job's name in messages and the article before this name, for example "audit" and "an". When the job starts,
        its settings are written to the file NAME.json in its folder, where NAME is the job's name.
    function : "package.module:function"
        The name of the function that the confined process calls as `work(job, tell)`. The argument `job` is a dict with
        `settings`, `work` (a folder) and `seed`. The function returns facts.
    record : str
        The name of the last file that the job writes into its folder. If the folder has this last file, the job is
        finished.
    stages : mapping from the name of a stage to a text
        The stages that the function may report, with their texts for the progress bar. A stage that is not in `stages`
        is not shown, because an attacker could choose its name.
    """

    name: str
    article: str = "a"
    function: str
    record: str
    stages: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A job that has begun: its output folder, the inner folder for the files of the confined process, the seed, and
    the SHA-256 of the model."""

    out: Path
    work: Path
    seed: int
    model_sha256: str
