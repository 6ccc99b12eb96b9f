"""Audit: scan somebody else's model and images in a confined process. Settings, work, verdict, pictures and record.

Not in this package: what all jobs on somebody else's files share is in `doldrum.confined`, and the page in `doldrum.report.audit`.
"""

from __future__ import annotations

from doldrum.audit.run import run_audit
from doldrum.audit.settings import AuditSettings, seconds_of

__all__ = ["AuditSettings", "run_audit", "seconds_of"]
