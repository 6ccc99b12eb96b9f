"""Records: frozen, versioned results and their JSON. What a report reads, and all it needs.

Not in this package: the work that makes results, and the pages that show them (`report`).
"""

from __future__ import annotations

from doldrum.records.base import VERSION
from doldrum.records.demo import DemoRecord
from doldrum.records.parts import COMBINATIONS, INPUTS, MODELS, Curve, Example, ModelSummary, Pixels

__all__ = ["COMBINATIONS", "INPUTS", "MODELS", "VERSION", "Curve", "DemoRecord", "Example", "ModelSummary", "Pixels"]
