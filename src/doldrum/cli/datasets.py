"""`doldrum datasets`: what there is here, and how to get the rest."""

from __future__ import annotations

from dataclasses import asdict

from doldrum.cli.output import JsonFlag, OutOption, emit


def datasets(
    json: JsonFlag = False,
    out: OutOption = None,
) -> None:
    """List the data sets, where each was found, or how to get it."""
    from rich.table import Table

    from doldrum.data import dataset_status

    found = dataset_status()
    table = Table(title="Data sets", title_justify="left")
    for name in ("name", "splits", "where, or how to get it"):
        table.add_column(name, overflow="fold")
    for status in found:
        where = str(status.location) if status.location else f"not here: {status.how_to_get}"
        table.add_row(status.name, ", ".join(status.splits), where)
    emit([asdict(status) for status in found], as_json=json, out=out, table=table)
