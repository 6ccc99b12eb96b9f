"""Is this *model* backdoored? Inspectors judge a model, as detectors judge an input; `contract` is read first.

What belongs here: inspectors, one method per file; what their readings mean beside those of reference models. No model is opened here
(`opening`), none is trained (`references`), and no report is written (`report`).
"""

from __future__ import annotations

from doldrum.inspectors.contract.hooks import Inspector
from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.contract.subject import Subject
from doldrum.inspectors.examine import Examination, examine
from doldrum.inspectors.inspect import Inspection, inspect
from doldrum.inspectors.kinds import INSPECTORS

__all__ = ["INSPECTORS", "Examination", "Inspection", "Inspector", "Reading", "Route", "Subject", "examine", "inspect"]
