"""`--sarif` and `--junit`: result files for other tools, checked before any work and written at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doldrum.cli.out_file import JUNIT, SARIF, check_out_file
from doldrum.cli.output import message
from doldrum.errors import InputError

if TYPE_CHECKING:
    from doldrum.findings import Findings
    from doldrum.opening import ModelSettings

__all__ = ["JunitOption", "ResultFiles", "SarifOption"]

SarifOption = Annotated[
    Path | None,
    typer.Option("--sarif", help="Write the findings to this file as SARIF 2.1.0, for code scanning."),
]
JunitOption = Annotated[
    Path | None,
    typer.Option("--junit", help="Write the findings to this file as JUnit XML, for test reports."),
]


@dataclass(frozen=True)
class ResultFiles:
    """The paths of the SARIF file and the JUnit file. A path is None if its file was not requested."""

    sarif: Path | None
    junit: Path | None

    def check(
        self, *, model: ModelSettings, images: Iterable[str | None] = (), files: Iterable[str | Path | None] = ()
    ) -> None:
        """Raise InputError unless both files can be written, and differ from each other and from all files that the command reads."""
        sources = [source for source in images if source is not None]
        for path, kind, flag in ((self.sarif, SARIF, "--sarif"), (self.junit, JUNIT, "--junit")):
            if path is not None:
                check_out_file(path, kind, flag=flag, model=model, images=sources, files=files)
        if self.sarif is not None and self.junit is not None and self.sarif.resolve() == self.junit.resolve():
            raise InputError(
                f"expected different files for --sarif and --junit, got {self.sarif} for both; name another file for one of them"
            )

    def write(self, findings: Callable[[], Findings]) -> None:
        """Write the requested files, and print their names. `findings` is called only if a file was requested."""
        if self.sarif is None and self.junit is None:
            return
        from doldrum.findings import write_findings

        for file in write_findings(findings(), sarif_to=self.sarif, junit_to=self.junit):
            message(f"wrote {file}")
