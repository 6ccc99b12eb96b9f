"""The job of `doldrum explain`, for a model and images from somebody else.

The package contains the settings, the work in the confined process, and the code that writes the results outside of
this process. The search and the test are in `doldrum.explanations`, and code shared by jobs of all kinds is in
`doldrum.confined`.
"""

from __future__ import annotations

from doldrum.explanations.job.run import run_explanation
from doldrum.explanations.job.settings import ExplanationSettings

__all__ = ["ExplanationSettings", "run_explanation"]
