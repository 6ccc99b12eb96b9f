"""The job of `doldrum cleanse`, for a training set and a model from somebody else.

The package contains the settings, the work in the confined process, and the code that writes the results outside of
this process. The methods themselves are in `cleansing.methods`, and code that other jobs share is in
`doldrum.confined`.
"""

from __future__ import annotations

from doldrum.cleansing.job.run import run_cleansing
from doldrum.cleansing.job.settings import CleansingSettings

__all__ = ["CleansingSettings", "run_cleansing"]
