"""Results of a command as files for other tools: SARIF 2.1.0 for code scanning, JUnit XML for test reports.

Records and rows of finished jobs belong here: what to call them (`rules`), where they are (`places`), and one file a format. Not here: sentences
of reports, which the records hold, and anything that opens a model or an image.

`of_audit`, `of_scan` and `of_inspection` make :class:`Findings`; :func:`write_findings` writes them.
"""

from __future__ import annotations

from doldrum.findings.finding import Check, Finding, Findings
from doldrum.findings.images import of_audit, of_scan
from doldrum.findings.model import of_inspection
from doldrum.findings.write import write_findings

__all__ = ["Check", "Finding", "Findings", "of_audit", "of_inspection", "of_scan", "write_findings"]
