"""The job of `doldrum explain` on a model and images that somebody else made: settings, work inside, and what is written outside.

Not in this package: the search and the test are in `doldrum.explanations`, and what all jobs share is in `doldrum.confined`.
"""

from __future__ import annotations

from doldrum.explanations.job.run import run_explanation
from doldrum.explanations.job.settings import ExplanationSettings

__all__ = ["ExplanationSettings", "run_explanation"]
