"""`doldrum datasets`: what there is here, and how to get the rest."""

from __future__ import annotations

from dataclasses import asdict

from doldrum.cli.output import JsonFlag, OutOption, emit


def datasets(
    json: JsonFlag = False,
    out: OutOption = None,
) -> None:
    """List the data sets: where each one was found, or how to get it.

    Example: doldrum datasets --json
    """
    from doldrum.data import dataset_status

    found = dataset_status()
    lines = [
        f"{status.name} ({', '.join(status.splits)})\n    {status.location or f'not here: {status.how_to_get}'}"
        for status in found
    ]
    emit([asdict(status) for status in found], as_json=json, out=out, table="\n".join(lines))
