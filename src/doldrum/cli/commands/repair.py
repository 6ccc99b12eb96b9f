"""`doldrum repair`: remove the backdoor from a model, and test the result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from doldrum.cli import model_options as options
from doldrum.cli.interrupts import kept
from doldrum.cli.output import JsonFlag, emit_verdict, message


@options.takes_model
def repair(
    model: Annotated[str, typer.Argument(help=options.MODEL)],
    clean: Annotated[
        str,
        typer.Option(help="Images that you trust, of several classes: a folder, archive, table, array or split such as fashion-mnist:test. If you have labels, use one folder "
                          "per class. At least 40 images are needed; 1,000 or more work well."),
    ],
    out: Annotated[Path, typer.Option(help="The repaired model, a new file: .onnx for an ONNX model, .safetensors for weights.")],
    inspection: Annotated[
        str | None,
        typer.Option(help="The folder of an inspection of this model that found a trigger. The model unlearns this trigger, which is tested before and after the repair."),
    ] = None,
    explanation: Annotated[
        str | None,
        typer.Option(help="In place of --inspection: the folder in which doldrum explain proved a trigger in flagged images of this model."),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="The method: fine-tune, fine-prune, unlearn, anp or ft-sam. Default: unlearn with --inspection or --explanation, and fine-prune without them."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all draws. Default: the seed of the inspection, or 0.")] = None,
    hours: options.Hours = 24.0,
    *,
    asked: dict[str, Any],
    json: JsonFlag = False,
) -> None:  # fmt: skip
    """Remove the backdoor from a model with a few clean images, and test the result on other images.

    The given model is never changed. The command writes report.html and record.json into the folder NAME-report beside --out. The report and the
    record give the model's accuracy and the success rate of the recovered trigger, before and after the repair, on images that were not used for
    the repair. To continue an interrupted run, run the same command again. The exit code is 3 if the recovered trigger still works, or if there
    are too few images to show that it does not. Exit code 0 does not prove that the model has no other trigger.

    Example: doldrum repair model.onnx --clean trusted/ --inspection report/ --out repaired.onnx
    """
    from doldrum.confined.folder import holds_work
    from doldrum.repairing.job import RepairSettings, run_repair
    from doldrum.repairing.job.settings import report_folder

    folder = report_folder(out)
    settings = RepairSettings(
        model=model,
        clean=clean,
        repaired=str(out),
        inspection=inspection,
        explanation=explanation,
        method=method,
        out=str(folder),
        seed=seed,
        hours=hours,
        **asked,
    )
    with kept("finished epochs", folder, there=holds_work):
        record = run_repair(settings, say=message)
    from doldrum.report.repair.page import write_repair_page

    page = write_repair_page(folder)
    emit_verdict(
        record, as_json=json, out=out, page=page, last=f"The repaired model is {out}, and the report is {page}"
    )
    if record.verdict["exit_code"]:
        raise typer.Exit(record.verdict["exit_code"])
