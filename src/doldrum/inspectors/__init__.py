"""Is this *model* backdoored? Inspectors judge a whole model, whereas detectors judge single inputs.

Read `contract` first. Each inspector is one method, in its own file. `judging` compares an inspector's results for a
model (its reading) with those for reference models. Other packages open models (`opening`), train models (`references`)
and write reports (`report`).
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
