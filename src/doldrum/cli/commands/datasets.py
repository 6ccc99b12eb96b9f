"""`doldrum datasets`: list the data sets on this machine, say how to get other data sets, and show samples of a data
set."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from doldrum.cli.out_file import JSON, PNG, check_out_file
from doldrum.cli.output import JsonFlag, emit, message
from doldrum.errors import InputError


def datasets(
    show: Annotated[
        str | None,
        typer.Option(help="Draw samples of this data set, such as textures,size=64:test, into the PNG file --out."),
    ] = None,
    json: JsonFlag = False,
    out: Annotated[
        Path | None,
        typer.Option(help="With --show: the PNG file to write. Without --show: a file that also gets the JSON."),
    ] = None,
) -> None:
    """List the data sets on this machine and their folders, and say how to get other data sets. With --show, draw
    samples of one data set.

    Some data sets have options. In every command, write the options of a data set after its name and before its split:
    textures,classes=400,size=64:train.

    Example: doldrum datasets --show textures --out sheet.png
    """
    if show is not None:
        _draw(show, out, json=json)
        return
    from doldrum.data import dataset_status

    if out is not None:
        check_out_file(out, JSON)
    found = dataset_status()
    lines = []
    for status in found:
        lines.append(f"{status.name} ({', '.join(status.splits)})")
        lines.append(f"    {status.location or f'not here: {status.how_to_get}'}")
        lines += [f"    {status.name},{key}=...: {what}" for key, what in status.options.items()]
    emit([asdict(status) for status in found], as_json=json, out=out, table="\n".join(lines))


def _draw(show: str, out: Path | None, *, json: bool) -> None:
    from doldrum.data import find_dataset
    from doldrum.data.sheet import draw_sheet
    from doldrum.files import write_whole

    if out is None:
        raise InputError("expected --out with --show, got no --out; name a file that ends in .png")
    if out.suffix.lower() != ".png":
        raise InputError(f"expected an --out file that ends in .png with --show, got {out}; rename it")
    named = find_dataset(show)
    check_out_file(out, PNG)
    data = named.load()
    sheet = draw_sheet(data)
    write_whole(out, lambda draft: sheet.save(draft, format="PNG"))
    message(f"wrote samples of {data.name} to {out}")
    if json:
        emit({"out": str(out), "data": data.name, "size": sheet.size, "licence": named.dataset.licence}, as_json=True)
