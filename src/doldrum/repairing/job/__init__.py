"""The job of `doldrum repair` on a model that somebody else made: settings, work inside, what is written outside.

Not in this package: the methods are in `doldrum.repairing.methods`, and what all jobs share is in `doldrum.confined`.
"""

from __future__ import annotations

from doldrum.repairing.job.run import run_repair
from doldrum.repairing.job.settings import RepairSettings

__all__ = ["RepairSettings", "run_repair"]
