"""`doldrum explain`: find the trigger in flagged images."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from doldrum.cli import model_options as options
from doldrum.cli.commands.detect import MORE_THAN_PROMISED
from doldrum.cli.interrupts import kept
from doldrum.cli.output import JsonFlag, emit, message, message_skipped


@options.takes_model
def explain(
    model: Annotated[str, typer.Argument(help=options.MODEL)],
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE...", help="The flagged images: files, folders or archives, at most 256 images."),
    ],
    clean: Annotated[
        str,
        typer.Option(help="Images that you trust, not hand-picked: a folder, archive, table, array or split such as fashion-mnist:test. At least 60 images are needed; "
                          "1,000 work well."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="A new folder for the report, or the folder of an interrupted explanation, which is continued."
        ),
    ] = None,
    alpha: Annotated[float, typer.Option(help="The largest allowed probability of proving a trigger by chance.")] = 0.05,
    queries: Annotated[
        int | None, typer.Option(help="The largest number of images to send to the model. Flagged images that are not searched within this limit count as unproven.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of the split of the clean images into search and test. Default: a new, secret seed."),
    ] = None,
    hours: options.Hours = 24.0,
    *,
    asked: dict[str, Any],
    json: JsonFlag = False,
) -> None:  # fmt: skip
    """Find the part of each flagged image that makes the model predict its class, and test this part on clean images.

    The command writes report.html, record.json and pictures/ into --out, and trigger.json if a trigger is proven. To remove a proven trigger from the
    model, use doldrum repair --explanation. If several images may have the same trigger, give them to one command: some triggers can be found only in
    what several images have in common. The exit code is 3 if a trigger is proven in any image, and 0 otherwise.

    Example: doldrum explain model.onnx flagged/ --clean trusted/ --out why/
    """
    if out is None:
        with tempfile.TemporaryDirectory(prefix="doldrum-explain-") as folder:
            _explain(Path(folder) / "explanation", None, model, images, clean, alpha, queries, seed, hours, asked, json)
        return
    _explain(out, out, model, images, clean, alpha, queries, seed, hours, asked, json)


def _explain(
    place: Path, out: Path | None, model: str, images: list[str], clean: str, alpha: float, queries: int | None,
    seed: int | None, hours: float, asked: dict[str, Any], json: bool,
) -> None:  # fmt: skip
    from doldrum.explanations.job import ExplanationSettings, run_explanation

    settings = ExplanationSettings(
        model=model, images=tuple(images), clean=clean, alpha=alpha, queries=queries, out=str(place), seed=seed, hours=hours, **asked
    )  # fmt: skip
    if out is None:
        record = run_explanation(settings, say=message)
    else:
        from doldrum.confined.folder import holds_work

        with kept("finished searches", out, there=holds_work):
            record = run_explanation(settings, say=message)
    from doldrum.report.explained import whose_trigger

    page = None
    if out is not None:
        from doldrum.report.explanations.page import write_explanations_page

        page = write_explanations_page(out)
    message_skipped([(one["id"], one["why"]) for one in record.skipped], unlisted=record.unlisted)
    for note in (*record.remarks, *record.explanations.notes):
        message(f"note: {note}")
    found = record.explanations
    where = {} if page is None else {"out": str(out), "report": str(page)}
    emit(
        {**where, **record.to_dict()}, as_json=json, table=None if json else _table(found, record.model["class_names"])
    )
    if page is not None:
        message(f"The report is {page}")
        if (told := whose_trigger(found)) is not None:
            message(f"{told} doldrum repair --explanation {shlex.quote(str(out))} unlearns this trigger")
    if found.proven:
        raise typer.Exit(MORE_THAN_PROMISED)


def _table(found: Any, names: list[str] | None) -> Any:
    from rich.markup import escape
    from rich.table import Table

    from doldrum.report.words import counted

    of = counted(len(found.explained), "image")
    table = Table(title=f"A trigger is proven in {found.proven} of {of}", title_justify="left")
    for name in ("image", "class", "proven", "result"):
        table.add_column(name, overflow="fold")
    for one in found.explained:
        label = "-" if one.label < 0 else names[one.label] if names else str(one.label)
        table.add_row(escape(one.image), escape(label), "yes" if one.proven else "no", escape(one.why))
    return table
