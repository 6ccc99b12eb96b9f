"""Inspecting: runs inspectors on a model from somebody else, and on reference models, in confined processes.

An inspector is a method that examines a model for a backdoor. This package defines an inspection's settings, its work
in the confined process, and its record. Code shared by jobs of all kinds is in `doldrum.confined`, the inspectors are
in `doldrum.inspectors`, and the page is in `doldrum.report.inspection`.
"""

from __future__ import annotations

from doldrum.inspecting.references import check_count
from doldrum.inspecting.run import run_inspection
from doldrum.inspecting.settings import InspectSettings

__all__ = ["InspectSettings", "check_count", "run_inspection"]
