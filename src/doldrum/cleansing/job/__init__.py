"""The job of `doldrum cleanse` on a set and a model that somebody else made: settings, work inside, and what is written outside.

No method's arithmetic (`cleansing.methods`), and nothing that other jobs would do too (`doldrum.confined`).
"""

from __future__ import annotations

from doldrum.cleansing.job.run import run_cleansing
from doldrum.cleansing.job.settings import CleansingSettings

__all__ = ["CleansingSettings", "run_cleansing"]
