"""Records: immutable, versioned results that are saved as JSON. A report is made from a record only.

This package contains neither the code that computes results nor the pages that show them (`report`).
"""

from __future__ import annotations

from doldrum.records.base import VERSION
from doldrum.records.demo import DemoRecord
from doldrum.records.parts import COMBINATIONS, INPUTS, MODELS, Curve, Example, ModelSummary, Pixels

__all__ = ["COMBINATIONS", "INPUTS", "MODELS", "VERSION", "Curve", "DemoRecord", "Example", "ModelSummary", "Pixels"]
