"""`doldrum cleanse`: find the samples of a training set that should be dropped, and write the set without them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from doldrum.cli import model_options as options
from doldrum.cli.commands.detect import MORE_THAN_PROMISED
from doldrum.cli.interrupts import kept
from doldrum.cli.output import JsonFlag, emit, flags_in_words, message, message_skipped


@options.takes_model
def cleanse(
    data: Annotated[
        str,
        typer.Argument(help="The training set, with labels: a folder with one folder per class, zip, tar, WebDataset shard, Parquet "
                            "file, .npz, or a split such as fashion-mnist:train."),
    ],
    model: Annotated[str, typer.Option(help="The model that was trained on this set: a file or folder, as for doldrum audit.")],
    out: Annotated[Path, typer.Option(help="A new folder, or the folder of an interrupted run, which is continued.")],
    clean: Annotated[
        str | None, typer.Option(help="Clean images that the model was not trained on, for a promised false-positive rate. 500 or more images work well.")
    ] = None,
    method: Annotated[str, typer.Option(help="The method that decides what to drop: profile, spectral or clustering.")] = "profile",
    fpr: Annotated[float, typer.Option(help="With --clean: the false-positive rate to promise for the method profile.")] = 0.05,
    rate: Annotated[
        float, typer.Option(help="The largest share of poisoned samples that you expect: in the set (for the ranking without --clean), or in a class (for spectral).")
    ] = 0.05,
    seed: Annotated[int | None, typer.Option(help="Seed of the draws. Default: a new, secret seed.")] = None,
    hours: options.Hours = 24.0,
    *,
    asked: dict[str, Any],
    json: JsonFlag = False,
) -> None:  # fmt: skip
    """Find poisoned samples in a training set, using the model that was trained on it, and write the set without them.

    The command writes four files into --out. drop.txt has the row numbers (from 0) of the samples to drop, and clean.npz has the other samples.
    samples.parquet has each sample's id and its score by every method, and summary.json has a summary. The methods clustering and spectral need a torch network.

    If the method profile flags more samples than is consistent with its promised rate, the exit code is 3, as in
    doldrum scan. Without --clean, no rate is promised: the command ranks the samples and drops the share given by
    --rate, even if none is poisoned. Without --clean, a part of drop.txt depends on --seed.

    Example: doldrum cleanse bad.npz --model bad.safetensors --clean trusted/ --out cleansed, then
    doldrum train cleansed/clean.npz --out again.safetensors
    """
    from doldrum.cleansing.job import CleansingSettings, run_cleansing
    from doldrum.confined.folder import holds_work

    settings = CleansingSettings(
        model=model,
        images=data,
        clean=clean,
        method=method,
        fpr=fpr,
        rate=rate,
        out=str(out),
        seed=seed,
        hours=hours,
        **asked,
    )
    with kept("finished batches", out, there=holds_work):
        summary = run_cleansing(settings, say=message)
    emit(summary, as_json=json, table=_table(summary))
    _say(summary)
    if summary["suspicious"]:
        message(
            "There are more flags than expected from clean samples alone. Look at the samples with the smallest p-values"
        )
        raise typer.Exit(MORE_THAN_PROMISED)


def _say(summary: dict[str, Any]) -> None:
    skipped = [(one["id"], one["why"]) for one in summary["skipped"]]
    message_skipped(skipped, unlisted=summary["unlisted"], where="; summary.json lists them")
    for note in summary["notes"]:
        message(f"note: {note}")
    for name, why in summary["refused"].items():
        message(f"{name} was not run: {why}")
    message(
        f"{summary['out']}/drop.txt lists the {summary['dropped']:,} of {summary['samples']:,} samples that the method {summary['method']} found. clean.npz holds the "
        "other samples"
    )
    promise = summary["promise"]
    if promise is None:
        message("There were no clean images, so the samples are only ranked, and no false-positive rate is promised")
        for sentence in summary["ranking"]["means"]:
            message(f"- {sentence}")
    else:
        message(flags_in_words(promise, summary["samples"], "samples", fdr=0.1))


def _table(summary: dict[str, Any]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    names = summary["class_names"]
    table = Table(title=f"Number of samples to drop (of {summary['samples']} training samples)", title_justify="left")
    for name in ("method", "samples", "most frequent label", "rule"):
        table.add_column(name, overflow="fold")
    for method, found in summary["methods"].items():
        counts = found["dropped_by_label"]
        top = max(range(len(counts)), key=lambda k: counts[k])
        most = f"{names[top] if names else top}: {counts[top]}" if counts[top] else "-"
        table.add_row(method, str(found["dropped"]), escape(most), escape(found["rule"]))
    return table
