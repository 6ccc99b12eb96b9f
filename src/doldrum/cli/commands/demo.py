"""`doldrum demo`: measure a backdoor on real images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doldrum.cli.interrupts import kept
from doldrum.cli.output import JsonFlag, emit, message
from doldrum.files import holds_files, write_text_whole

_KEYS = (
    "clean_accuracy",
    "asr",
    "sigma_half",
    "w_clean",
    "w_clean_ci",
    "w_triggered",
    "w_triggered_ci",
    "w_change",
    "w_change_ci",
)

_NEXT = (
    "",
    "Now try it on your own model, with a few hundred images that you trust:",
    "  is the model backdoored?      doldrum inspect model.onnx --clean trusted/ --out report/",
    "  do images carry a trigger?    doldrum audit model.onnx --images inbox/ --clean trusted/ --out report/",
)


def demo(
    fast: Annotated[
        bool, typer.Option("--fast", help="Run a smaller demo, which takes a third of the time of the full demo.")
    ] = False,
    out: Annotated[
        Path, typer.Option(help="Folder for the models, measurements and report. Finished parts are reused.")
    ] = Path("doldrum-demo"),
    json: JsonFlag = False,
) -> None:
    """Train a clean and a backdoored network (BadNets) on Fashion-MNIST, and measure how their labels change under noise.

    The command prints a table of W (label entropy under noise, from 0 to 1) with and without the trigger. The command also writes a report with figures to OUT/report.html.

    Example: doldrum demo --fast --out look
    """
    from doldrum.demo import DemoSettings, run_demo
    from doldrum.report.demo.page import render_demo
    from doldrum.report.demo.table import demo_table
    from doldrum.report.demo.words import range_sentence

    settings = DemoSettings.fast() if fast else DemoSettings()
    command = "doldrum demo --fast" if fast else "doldrum demo"
    with kept("finished parts", out, there=holds_files):
        record = run_demo(out, settings, say=message, command=command)
    report = write_text_whole(out / "report.html", render_demo(record))
    message(f"wrote {report.resolve()}")
    message(range_sentence(record))
    summary = {m.name: {key: getattr(m, key) for key in _KEYS} for m in record.models}
    emit(summary, as_json=json, table=demo_table(record), below=_NEXT)
