"""`doldrum audit`: check a model and images that somebody else made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from doldrum.cli import model_options as options
from doldrum.cli.commands.inspect import References
from doldrum.cli.interrupts import kept
from doldrum.cli.output import JsonFlag, emit_verdict, message, message_skipped
from doldrum.cli.result_files import JunitOption, ResultFiles, SarifOption
from doldrum.cli.spread_options import Ray, Workers

_TOLD = 5  # of what was skipped; the report lists all
_IMAGES = "a folder (with class subfolders or not), zip, tar, WebDataset shard, Parquet file, .npy or .npz"


@options.takes_model
def audit(
    model: Annotated[str, typer.Argument(help=options.MODEL)],
    images: Annotated[str, typer.Option(help=f"The images to scan: {_IMAGES}.")],
    out: Annotated[
        Path, typer.Option(help="A new folder for the report, or the folder of an interrupted audit, which is continued.")
    ],
    clean: Annotated[
        str | None,
        typer.Option(help="A few hundred clean images that you trust, not hand-picked. The clean images can have any format of --images, or be a split such as fashion-mnist:test. Without clean images, "
                          "the scanned images are ranked by suspicion but not flagged."),
    ] = None,
    fpr: Annotated[float, typer.Option(help="The false-positive rate to promise.")] = 0.01,
    fdr: Annotated[float, typer.Option(help="The false-discovery rate: the share of clean images allowed among the discoveries.")] = 0.1,
    claimed_accuracy: Annotated[float | None, typer.Option(help="The accuracy that the model's provider claims, e.g. 0.93.")] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Time limit, e.g. 5m. The number of draws (noisy copies of an image) is chosen to fit this limit, and the scan stops when the time is over."),
    ] = None,
    inspect: Annotated[
        bool | None,
        typer.Option("--inspect/--no-inspect", help="Also inspect the model itself, as doldrum inspect does. Default: yes if there are "
                     "--clean images and the model is not an address."),
    ] = None,
    references: References = None,
    model_fpr: Annotated[float, typer.Option(help="With --references: the promised rate of false alarms among clean models.")] = 0.05,
    explain: Annotated[
        int, typer.Option(help="The largest number of flagged images to explain, as doldrum explain does. The most suspicious images are explained.")
    ] = 8,
    seed: Annotated[int | None, typer.Option(help="Seed of the draws. Default: a new, secret seed.")] = None,
    workers: Workers = None,
    ray: Ray = None,
    hours: options.Hours = 24.0,
    sarif: SarifOption = None,
    junit: JunitOption = None,
    *,
    asked: dict[str, Any],
    json: JsonFlag = False,
) -> None:  # fmt: skip
    """Check a model and images from somebody else: find images that look triggered, and signs of a backdoor in the model.

    The command writes report.html, record.json, rows.parquet, pictures/, explanations/ and inspection/ into --out.

    The exit code is 3 if more images are flagged than is consistent with the promised rate: more flags than the 95% limit, or any discoveries.
    The exit code is also 3 if the model is suspicious or a backdoor is shown. In all other cases, the exit code is 0, which says nothing about
    images that were not scanned.

    With --clean images, the model is inspected after the images are scanned. Scan and inspection each get half of --budget. Without --budget, the inspection
    takes at most half an hour.

    Example: doldrum audit model.onnx --images inbox/ --clean trusted/ --out report/
    """
    from doldrum.audit import AuditSettings, run_audit, seconds_of
    from doldrum.confined.folder import holds_work
    from doldrum.findings import of_audit

    settings = AuditSettings(
        model=model,
        images=images,
        clean=clean,
        fpr=fpr,
        fdr=fdr,
        claimed_accuracy=claimed_accuracy,
        budget=None if budget is None else seconds_of(budget),
        inspect=inspect,
        references=references,
        model_fpr=model_fpr,
        explain=explain,
        out=str(out),
        seed=seed,
        workers=workers,
        ray=ray,
        hours=hours,
        **asked,
    )
    results = ResultFiles(sarif, junit)
    results.check(model=settings, images=[images, clean])
    with kept("finished parts", out, there=holds_work):
        record = run_audit(settings, say=message)
    from doldrum.report.audit.page import write_audit_page
    from doldrum.report.audit.view import of_model

    page = write_audit_page(out)
    found = record.verdict
    skipped = [(one["id"], one["why"]) for one in record.images["skipped"]]
    message_skipped(skipped, unlisted=record.images["unlisted"], most=_TOLD, where="; see the report")
    of_it = [] if record.inspection is None else of_model(found["sentences"], record.inspection)
    emit_verdict(record, as_json=json, out=out, page=page, more=[f"the model: {sentence}" for sentence in of_it])
    results.write(lambda: of_audit(record, out, model=settings.shown_model, images=images))
    if found["exit_code"]:
        raise typer.Exit(found["exit_code"])
