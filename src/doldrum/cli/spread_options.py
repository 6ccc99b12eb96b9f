"""The options about workers, declared once for all commands that can run on several workers."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Ray", "Workers"]

Workers = Annotated[
    int | None,
    typer.Option(
        help="Number of processes, with one thread each. By default, one process uses all cores; with --ray, there is one process per CPU of the cluster. The "
        "result does not depend on this number."
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        help="Address of a Ray cluster to run on: auto, HOST:6379, ray://HOST:10001, or local.", metavar="ADDRESS"
    ),
]
