"""Job: what a job on somebody else's files is, in the few words that the shared code needs of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["OPENING", "SCANNING", "Begun", "Job", "Tell"]

Tell = Callable[[Any], None]
"""How the confined process reports its progress: {stage, total, done}, or {say: a line}."""

OPENING = {"model": "opening the model", "images": "reading images", "clean": "reading clean images"}
"""Stages that `material` reports, and their names in a progress bar."""
SCANNING = {
    "timing": "timing forwards",
    "fit": "fitting",
    "calibrate": "calibrating",
    "scan": "scanning",
}
"""Stages that `scanning` reports."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a job is.

    Parameters
    ----------
    name, article : str
        "audit" and "an": what messages call it. Its folder holds NAME.json, what it was begun with.
    function : "package.module:function"
        What the confined process calls: `work(job, tell)`, where `job` holds `settings`, `work` (a folder) and `seed`; it gives facts.
    record : str
        The file that the job leaves in its folder last; where it is, all is done.
    stages : mapping of a stage's name to words
        The stages that its function tells of. Others are not shown: their names would be an attacker's.
    """

    name: str
    article: str = "a"
    function: str
    record: str
    stages: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A job that has begun: its folder, the folder inside for what is passed to and fro, the seed and the model's SHA-256."""

    out: Path
    work: Path
    seed: int
    model_sha256: str
