"""The job of `doldrum repair`, for a model from somebody else.

The package contains the settings, the work in the confined process, and the code that writes the results outside of
this process. The methods are in `doldrum.repairing.methods`, and code shared by jobs of all kinds is in
`doldrum.confined`.
"""

from __future__ import annotations

from doldrum.repairing.job.run import run_repair
from doldrum.repairing.job.settings import RepairSettings

__all__ = ["RepairSettings", "run_repair"]
