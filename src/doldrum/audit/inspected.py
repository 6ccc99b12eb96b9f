"""The inspection that is part of an audit: run before the scan, in the audit's work folder; what it found moves out with the record."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from doldrum.errors import ClassifierError
from doldrum.inspecting import InspectSettings, run_inspection
from doldrum.records.inspection import InspectionRecord

__all__ = ["INSPECTION", "Inspected"]

INSPECTION = "inspection"
"""Folder of an audit that holds record.json, trigger.json and pictures/ of the inspection."""


clock: Callable[[], float] = time.monotonic


@dataclass
class Inspected:
    """What was found, or why nothing was, and how long it took."""

    record: InspectionRecord | None = None
    why: str = ""
    seconds: float = 0.0
    folder: Path | None = None

    def run(self, settings: InspectSettings, *, progress: bool, say: Callable[[str], None]) -> None:
        """Inspect the model; where it can't be inspected, the audit goes on and says why."""
        began = clock()
        try:
            self.record = run_inspection(settings, progress=progress, say=say)
            self.folder = Path(settings.out)
        except ClassifierError as error:
            self.why = str(error)
            say(f"the model was not inspected: {error}")
        self.seconds = clock() - began

    def remarks(self) -> list[str]:
        """What a verdict has to say where nothing was found out."""
        return [f"The model itself was not inspected: {self.why}."] if self.why else []

    def move(self, out: Path) -> None:
        """Bring what was found to its place beside the audit's record."""
        if self.folder is not None:
            shutil.copytree(
                self.folder,
                out / INSPECTION,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns("work", "inspection.json"),
            )
