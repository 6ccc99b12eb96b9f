"""Audit somebody else's model and images in a confined process: settings, work, verdict, pictures and record.

An audit is one kind of job that works on somebody else's files. Code for all such jobs is in `doldrum.confined`. The
report page is in `doldrum.report.audit`.
"""

from __future__ import annotations

from doldrum.audit.run import run_audit
from doldrum.audit.settings import AuditSettings, seconds_of

__all__ = ["AuditSettings", "run_audit", "seconds_of"]
