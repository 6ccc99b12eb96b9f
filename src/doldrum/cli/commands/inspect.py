"""`doldrum inspect`: check whether a model that somebody else made is backdoored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from doldrum.cli import model_options as options
from doldrum.cli.interrupts import kept
from doldrum.cli.output import JsonFlag, emit_verdict, message
from doldrum.cli.result_files import JunitOption, ResultFiles, SarifOption
from doldrum.cli.spread_options import Ray

References = Annotated[
    str | None,
    typer.Option(help="A folder of clean models that are like the model to inspect, for a promised rate of false alarms. doldrum references makes such a folder."),
]  # fmt: skip


@options.takes_model
def inspect(
    model: Annotated[str, typer.Argument(help=options.MODEL)],
    clean: Annotated[
        str,
        typer.Option(help="Images that you trust, of several classes: a folder, archive, table, array or split such as fashion-mnist:test. At "
                          "least 20 images are needed; 200 or more work well."),
    ],
    out: Annotated[
        Path, typer.Option(help="A new folder for the report, or the folder of an interrupted inspection, which is continued.")
    ],
    references: References = None,
    fpr: Annotated[float, typer.Option(help="With --references: the rate of false alarms to promise; a rate of 0.05 needs 19 reference models.")] = 0.05,
    inspectors: Annotated[
        str | None, typer.Option(help="Names of the inspectors to use, e.g. mask,warp. Default: the six inspectors that find triggers which can be tested.")
    ] = None,
    claimed_accuracy: Annotated[float | None, typer.Option(help="The accuracy that the model's provider claims, e.g. 0.93.")] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Time limit for examining the model, e.g. 10m. Inspectors that did not finish are listed."),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(help="Seed of the searches, 0 by default. The seed need not be secret. Results for reference models are stored with the seed, and "
                          "used again if the seed is the same."),
    ] = 0,
    workers: Annotated[
        int | None,
        typer.Option(help="Number of reference models to examine at once. 0 means one per core. With --ray, the default is one reference model per CPU of the cluster."),
    ] = None,
    ray: Ray = None,
    hours: options.Hours = 24.0,
    sarif: SarifOption = None,
    junit: JunitOption = None,
    *,
    asked: dict[str, Any],
    json: JsonFlag = False,
) -> None:  # fmt: skip
    """Check whether a model looks backdoored, using only clean images, and find the target class and the trigger.

    The command writes report.html and record.json into --out. If a trigger was found, the command also writes trigger.json and pictures/. Results for reference models are
    kept in the folder "examined" beside these models. Without --references, no rate of false alarms is promised: the command only compares the model's classes with one another.
    The exit code is 3 if the model is suspicious or a backdoor is shown. Exit code 0 is no proof that the model is clean.

    Example: doldrum inspect model.onnx --clean trusted/ --references refs/ --out report/
    """
    from doldrum.audit import seconds_of
    from doldrum.confined.folder import holds_work
    from doldrum.findings import of_inspection
    from doldrum.inspecting import InspectSettings, run_inspection
    from doldrum.provenance import cores

    settings = InspectSettings(
        model=model,
        clean=clean,
        references=references,
        fpr=fpr,
        inspectors=names_of(inspectors),
        claimed_accuracy=claimed_accuracy,
        budget=None if budget is None else seconds_of(budget),
        out=str(out),
        seed=seed,
        workers=cores() if workers == 0 else workers,
        ray=ray,
        hours=hours,
        **asked,
    )
    results = ResultFiles(sarif, junit)
    results.check(model=settings, images=[clean])
    with kept("finished inspectors", out, there=holds_work):
        record = run_inspection(settings, say=message)
    from doldrum.report.inspection.page import write_inspection_page

    page = write_inspection_page(out)
    emit_verdict(record, as_json=json, out=out, page=page)
    results.write(lambda: of_inspection(record, model=settings.shown_model))
    if record.verdict["exit_code"]:
        raise typer.Exit(record.verdict["exit_code"])


def names_of(text: str | None) -> tuple[str, ...] | None:
    """Split a comma-separated text into names.

    >>> names_of("mask, warp"), names_of(None)
    (('mask', 'warp'), None)
    """
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())
