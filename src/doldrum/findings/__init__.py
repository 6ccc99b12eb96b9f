"""Write the results of a command to files for other tools: SARIF 2.1.0 for code scanning, JUnit XML for test reports.

This package turns the records and result rows of finished jobs into findings. The module `rules` defines the kinds of
findings. The module `places` says which file a finding is about. Each output format has a module of its own. The
sentences of reports are not written here, because records contain them. This package opens no model and no image.

`of_audit`, `of_scan` and `of_inspection` make :class:`Findings`; :func:`write_findings` writes them to files.
"""

from __future__ import annotations

from doldrum.findings.finding import Check, Finding, Findings
from doldrum.findings.images import of_audit, of_scan
from doldrum.findings.model import of_inspection
from doldrum.findings.write import write_findings

__all__ = ["Check", "Finding", "Findings", "of_audit", "of_inspection", "of_scan", "write_findings"]
