"""write_findings: the only function that writes result files for other tools."""

from __future__ import annotations

import json
from pathlib import Path

from doldrum.files import write_text_whole
from doldrum.findings.finding import Findings
from doldrum.findings.junit import junit
from doldrum.findings.sarif import sarif

__all__ = ["write_findings"]


def write_findings(
    findings: Findings, *, sarif_to: str | Path | None = None, junit_to: str | Path | None = None
) -> list[Path]:
    """Write findings as SARIF, as JUnit XML, or as both, and return the paths of the files.

    A format is written only if its path is given. A file is written completely or not at all.

    >>> import tempfile
    >>> from doldrum.findings import Check, Findings
    >>> from doldrum.findings.places import Place
    >>> check = Check(name="model", outcome="passed", heading="No sign of a backdoor", sentences=(), place=Place("m.onnx"))
    >>> found = Findings(command="inspect", exit_code=0, checks=(check,), created="2026-01-01T00:00:00+00:00")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [file] = write_findings(found, sarif_to=Path(folder) / "a.sarif")
    ...     json.loads(file.read_text())["runs"][0]["results"]
    []
    """
    written = []
    if sarif_to is not None:
        written.append(write_text_whole(sarif_to, json.dumps(sarif(findings), indent=1, allow_nan=False) + "\n"))
    if junit_to is not None:
        written.append(write_text_whole(junit_to, junit(findings)))
    return written
