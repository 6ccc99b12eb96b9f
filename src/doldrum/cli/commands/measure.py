"""`doldrum measure`: measure how a model's labels change under noise, and write them to a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from doldrum.cli.inputs import (
    ADDRESSES,
    check_limit,
    check_spread,
    is_unfinished,
    load_model,
    stored_images,
    warn_of_preprocessing,
)
from doldrum.cli.interrupts import kept
from doldrum.cli.model_options import MODEL, takes_model
from doldrum.cli.output import JsonFlag, emit, message
from doldrum.cli.spread_options import Ray, Workers
from doldrum.errors import InputError
from doldrum.progress import waiting
from doldrum.remote import redacted


@takes_model
def measure(
    model: Annotated[str, typer.Argument(help=MODEL)],
    images: Annotated[
        str,
        typer.Argument(help=ADDRESSES),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="A new folder for the Parquet shards and the manifest, or the folder of an interrupted run, which is continued."
        ),
    ],
    strengths: Annotated[
        str,
        typer.Option(help="Noise strengths (sigma), separated by commas, in units of the [0, 1] pixel range."),
    ] = "0.05,0.1,0.2,0.4",
    draws: Annotated[int, typer.Option(help="Number of noisy copies of each input at each strength.")] = 100,
    until_decided: Annotated[
        float | None,
        typer.Option(
            help="Stop measuring an input at a strength when its W (label entropy, from 0 to 1) is known to be above or below this value, such as 0.2. --draws "
            "is then the maximum (1000 is a good number)."
        ),
    ] = None,
    until_width: Annotated[
        float | None,
        typer.Option(
            help="Stop measuring an input at a strength when the confidence interval of its W (label entropy, from 0 to 1) is this narrow. 0.1 means +-0.05."
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            help="With --until-decided or --until-width: the probability of a wrong answer for one input and strength. Default: 0.05."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the noise. All inputs get the same noise.")] = 0,
    clip: Annotated[bool, typer.Option(help="Clip the noisy images to [0, 1].")] = False,
    limit: Annotated[int | None, typer.Option(help="Use only the first N readable images.")] = None,
    batch_size: Annotated[
        int,
        typer.Option(help="Number of inputs measured at a time. This number affects memory, never the labels.", min=1),
    ] = 256,
    engine: Annotated[
        str,
        typer.Option(
            help="The engine that runs the model: auto, eager, openvino, onnxruntime or compile. auto chooses the fastest engine that gives the same labels as the model itself."
        ),
    ] = "auto",
    workers: Workers = None,
    ray: Ray = None,
    *,
    asked: dict[str, Any],
    json: JsonFlag = False,
) -> None:
    """Add Gaussian noise to every image many times, and record the label of every noisy copy.

    The command writes Parquet files and manifest.json into --out. The Parquet files have one row per input and strength: id, label without noise, W with its confidence limits,
    most frequent class with a lower limit for its probability, and the label of every draw. In Python, doldrum.read_responses(DIR) reads these files. To continue an
    interrupted run, run the same command again.

    Images in arrays are read in place. Images that are not in arrays are decoded once into --out, which takes one byte per pixel value until the
    command ends. Files that cannot be read are listed and left out.

    Most inputs need only a few draws to show whether their W is above or below a value. With --draws 1000 --until-decided 0.2 --alpha 0.01, the measurement of an
    input stops when its W is shown to be above or below 0.2.

    Example: doldrum measure model.onnx photos/ --strengths 0.05,0.1,0.2 --draws 100 --out result
    """
    from doldrum.engines.choose import check_engine
    from doldrum.measuring import Measurement, measure_to
    from doldrum.measuring.begun import check_same
    from doldrum.measuring.checks import check_memory
    from doldrum.measuring.stored import begun, engine_name
    from doldrum.opening import ModelSettings
    from doldrum.probes import Gaussian

    before = begun(out)
    check_engine(engine)
    probe = Gaussian(_numbers(strengths), draws=draws, seed=seed, clip=clip)
    check_memory(1, len(probe.strengths) * probe.draws)
    rule = _rule(until_decided, until_width, alpha)
    if before is not None:
        check_same(out, before, {"probe": probe.to_dict(), "until": rule and rule.to_dict()})
    check_limit(limit)
    settings = ModelSettings(model=model, **asked)
    check_spread(settings, workers, ray)
    suspect = load_model(settings)
    classifier = suspect.classifier
    with (
        kept("finished images", out, there=is_unfinished),
        stored_images(images, out, classifier=classifier, resize=settings.resize, limit=limit) as (found, skipped),
    ):
        warn_of_preprocessing(suspect, found, settings)
        # An interrupted run is continued with the engine it began with: "auto" may time another as the faster one today.
        engine = engine_name(before) if before is not None and engine == "auto" else engine
        with waiting("checking the model and its engines"):
            run = Measurement(classifier, found, probe, batch_size=batch_size, engine=engine, until=rule)
        chosen = run.info["engine"]
        message(
            f"measuring {len(run)} images, with {'at most ' if rule else ''}{draws} draws at each of {len(probe.strengths)} noise strengths. The engine is "
            f"{chosen['engine']} {chosen['precision']}. This engine gave the same label as the model itself for {chosen['agreement']:.1%} of {chosen['checked']} "
            "noisy images"
        )
        listed = [{"path": str(path), "reason": reason} for path, reason in skipped]
        extra = {"skipped": listed, "model": settings.shown_model, "images": redacted(images)}
        manifest = measure_to(run, out, extra=extra, workers=workers, ray=ray)
    if manifest["invalid"]:
        message(
            f"{manifest['invalid']} draws or inputs got NaN or infinite scores. Draws or inputs with NaN or infinite scores are marked as invalid and left out of all results"
        )
    message(f"wrote {manifest['inputs']} inputs to {out}")
    summary, table = _mean_w(out, probe.strengths) if rule is None else _stopped(out, rule)
    emit({"out": str(out), **summary, **manifest}, as_json=json, table=table)


def _mean_w(out: Path, strengths: Sequence[float]) -> tuple[dict[str, Any], Any]:
    """The mean W at each noise strength, with its 95% limits."""
    from rich.table import Table

    from doldrum.measuring import StoredResponses
    from doldrum.profiles import mean_smoothness

    means = mean_smoothness(StoredResponses(out))
    table = Table(title="Mean W over the inputs (0: the label never changes)", title_justify="left")
    for name in ("strength", "mean W", "95% limits"):
        table.add_column(name, justify="right")
    for strength, w in zip(strengths, means, strict=True):
        table.add_row(f"{strength:g}", f"{w.value:.3f}", f"{w.lower:.3f} to {w.upper:.3f}")
    return {"mean_w": [{"strength": s, **asdict(w)} for s, w in zip(strengths, means, strict=True)]}, table


def _stopped(out: Path, rule: Any) -> tuple[dict[str, Any], Any]:
    """For each noise strength, count the inputs whose measurement is settled or still open, and the draws that were
    used.

    There is no mean W, because the number of draws differs between the inputs.
    """
    import numpy as np
    from rich.table import Table

    from doldrum.measuring import StoredResponses

    names = ("above", "below", "settled", "open", "draws")
    total: Any = 0
    stored, inputs = StoredResponses(out), 0
    for part in stored:
        read = rule.read(part)
        settled = rule.enough(read.lower, read.upper)
        total = total + np.stack(
            [a.sum(axis=0) for a in (read.decision > 0, read.decision < 0, settled, ~settled, read.draws)]
        )
        inputs += len(part)
    strengths = stored.info["strengths"]
    rows = [
        {"strength": s, **dict(zip(names, column, strict=True)), "mean_draws": column[-1] / inputs}
        for s, column in zip(strengths, total.T.tolist(), strict=True)
    ]
    asked = f"above or below {rule.threshold:g}" if hasattr(rule, "threshold") else f"known to within {rule.width:g}"
    table = Table(title=f"Inputs whose W is {asked} (alpha {rule.alpha:g})", title_justify="left")
    for name in ("strength", *names[:-1], "mean draws"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(f"{row['strength']:g}", *(str(row[name]) for name in names[:-1]), f"{row['mean_draws']:.1f}")
    spent, most = sum(row["draws"] for row in rows), inputs * len(strengths) * stored.info["probe"]["draws"]
    return {"stopped": rows, "draws_spent": spent, "draws_at_most": most}, table


def _rule(decided: float | None, width: float | None, alpha: float | None) -> Any:
    from doldrum.measuring import until

    if decided is not None and width is not None:
        raise InputError("expected --until-decided or --until-width, got both; leave one of them out")
    if decided is None and width is None:
        if alpha is not None:
            raise InputError(
                "expected --until-decided or --until-width with --alpha, got neither; e.g. --until-decided 0.2"
            )
        return None
    alpha = 0.05 if alpha is None else alpha
    return until.Decided(decided, alpha=alpha) if decided is not None else until.Width(width or 0.0, alpha=alpha)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.replace(" ", ",").split(",") if part]
    except ValueError as error:
        raise InputError(f"expected comma-separated numbers, got {text!r}; e.g. 0.05,0.1,0.2") from error
