"""`doldrum study` and `doldrum report`: run a grid of cells (combinations of settings), and write a report from the records."""

from __future__ import annotations

import shlex
from json import loads
from pathlib import Path
from typing import Annotated

import typer

from doldrum.cli.interrupts import kept
from doldrum.cli.output import JsonFlag, emit, message


def study(
    name: Annotated[str, typer.Argument(help="Name of a study. Without a name, the studies are listed.")] = "",
    grid: Annotated[
        str,
        typer.Option(
            help="The grid of cells (combinations of settings) to run: quick, full, or a .toml or .json file."
        ),
    ] = "quick",
    out: Annotated[
        Path, typer.Option(help="Folder for the records. Finished combinations of settings (cells) are not run again.")
    ] = Path("study"),
    workers: Annotated[
        int, typer.Option(help="Number of processes, with one thread each. 0 means one process per core.")
    ] = 0,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Address of a Ray cluster to run on: auto, HOST:6379, ray://HOST:10001, or local.", metavar="ADDRESS"
        ),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Run those cells (combinations of settings) of a study that have no record yet. You can stop the command at any
    time, and run it again to continue.

    A grid file has fields that all cells share, and [[cells]] tables with fields for only some cells. If a field is a list, each of its values gives
    a cell (one combination of settings). Several lists give a cell for each combination of their values. The commonest fields:

    \b
    data = "digits"                  # doldrum datasets lists them
    recipe = "digits-mlp"            # doldrum train --help lists them
    inputs = 100                     # test images that are measured
    draws = 50                       # noisy copies of each image
    strengths = [0.1, 0.4, 1.6]      # of the noise
    [[cells]]
    attack = ["badnets", "blended"]  # doldrum attacks lists them
    rate = 0.05                      # poisoned share of the training set
    seed = [0, 1, 2]

    All studies also have the fields changes (of the recipe), settings (of the attack), target, pick and sigma. Some studies have additional fields.
    The page docs/how-to/run-a-study.md explains the fields of every study.

    Example: doldrum study smoothing --grid quick --out result, then doldrum report result
    """
    from doldrum.provenance import cores
    from doldrum.studies import list_studies, run_study

    if not name:
        known = list_studies()
        emit(known, as_json=json, table="\n".join(f"{n}: {question}" for n, question in known.items()))
        return
    command = shlex.join(["doldrum", "study", name, "--grid", grid, "--out", str(out)])
    count = workers or (cores() if ray is None else None)
    with kept("finished cells", out, there=_holds_records):
        found = run_study(name, grid, out=out, workers=count, ray=ray, say=message, command=command)
    by_error: dict[str, list[str]] = {}
    for failure in found.failures:
        name_of = f"{failure.cell.get('attack')} seed {failure.cell.get('seed')}"
        by_error.setdefault(failure.error, []).append(name_of)
    for error, cells in by_error.items():
        message(f"failed: {', '.join(dict.fromkeys(cells))}: {error}")
    summary = {
        "out": str(out), "study": name, "cells": len(found.manifest.keys), "finished": len(found.cells),
        "failed": [{"cell": f.cell, "error": f.error} for f in found.failures],
    }  # fmt: skip
    done = f"{len(found.cells)} of {len(found.manifest.keys)} cells are finished"
    failed = f", {len(found.failures)} failed; run the same command again to retry them" if found.failures else ""
    then = f" Next: {shlex.join(['doldrum', 'report', str(out)])}" if found.cells else ""
    emit(summary, as_json=json, table=f"{done}{failed}.{then}")
    if found.failures:
        raise typer.Exit(1)


def report(
    folder: Annotated[
        Path, typer.Argument(help="The folder that doldrum study wrote (its --out). The study need not be finished.")
    ],
    json: JsonFlag = False,
) -> None:
    """Write a report of a study's records (FOLDER/report.html, figures and tables), and print the main result."""
    from doldrum.records.study import read_study
    from doldrum.report.studies.page import study_page, write_report

    page = study_page(read_study(folder))
    path = write_report(folder)
    message(f"wrote {path}")
    emit(
        {"headline": page.headline, "lede": list(page.lede), **page.numbers}, as_json=json, table="\n\n".join(page.lede)
    )


def _holds_records(out: Path) -> bool:
    """Whether a study's folder has the record of a finished cell (one combination of settings). A failed cell doesn't
    count, because it is run again."""
    records = out / "records.jsonl"
    if not records.is_file():
        return False
    with records.open("rb") as file:
        return any(line.strip() and not _failed(line) for line in file)


def _failed(line: bytes) -> bool:
    try:
        found = loads(line)
    except ValueError:
        return False
    return isinstance(found, dict) and "error" in found
