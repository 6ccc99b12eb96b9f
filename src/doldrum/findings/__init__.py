"""Write the results of a command to files for other tools: SARIF 2.1.0 for code scanning, JUnit XML for test reports.

This package turns the records and result rows of finished jobs into findings. It names the kinds of findings (`rules`) and
the files that findings are about (`places`). Each output format has a file of its own. The package writes no sentences for
reports, because these are in the records. It opens no model and no image.

`of_audit`, `of_scan` and `of_inspection` make :class:`Findings`; :func:`write_findings` writes them to files.
"""

from __future__ import annotations

from doldrum.findings.finding import Check, Finding, Findings
from doldrum.findings.images import of_audit, of_scan
from doldrum.findings.model import of_inspection
from doldrum.findings.write import write_findings

__all__ = ["Check", "Finding", "Findings", "of_audit", "of_inspection", "of_scan", "write_findings"]
