"""The job of `doldrum explain` on a model and images that somebody else made: settings, work inside, and what is written outside.

No search and no test (`doldrum.explanations`), and nothing that other jobs would do too (`doldrum.confined`).
"""

from __future__ import annotations

from doldrum.explanations.job.run import run_explanation
from doldrum.explanations.job.settings import ExplanationSettings

__all__ = ["ExplanationSettings", "run_explanation"]
