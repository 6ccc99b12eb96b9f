"""Audit: a model and images that somebody else made, scanned in a confined process, and a report of it."""

from __future__ import annotations

from doldrum.audit.run import run_audit
from doldrum.audit.settings import AuditSettings, seconds_of

__all__ = ["AuditSettings", "run_audit", "seconds_of"]
