"""What every command that runs on workers is asked about them, declared once."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Ray", "Workers"]

Workers = Annotated[
    int | None,
    typer.Option(
        help="Processes of one thread each, in place of one that uses all cores; with --ray by default one per CPU of the cluster. The result "
        "is the same for every number of them."
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        help="Address of a Ray cluster to run on: auto, HOST:6379, ray://HOST:10001, or local.", metavar="ADDRESS"
    ),
]
