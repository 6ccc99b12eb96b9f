"""Inspecting: somebody else's model, and reference models, judged by inspectors in confined processes; settings, work inside, record.

Nothing that another job on somebody else's files would do too (`doldrum.confined`), no inspector (`doldrum.inspectors`), and no page
(`doldrum.report.inspection`).
"""

from __future__ import annotations

from doldrum.inspecting.references import check_count
from doldrum.inspecting.run import run_inspection
from doldrum.inspecting.settings import InspectSettings

__all__ = ["InspectSettings", "check_count", "run_inspection"]
