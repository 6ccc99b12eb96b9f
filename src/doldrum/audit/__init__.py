"""Audit: scan somebody else's model and images in a confined process. Settings, work, verdict, pictures and record.

Nothing that another job on somebody else's files would do too (`doldrum.confined`), and no page (`doldrum.report.audit`).
"""

from __future__ import annotations

from doldrum.audit.run import run_audit
from doldrum.audit.settings import AuditSettings, seconds_of

__all__ = ["AuditSettings", "run_audit", "seconds_of"]
