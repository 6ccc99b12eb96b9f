"""`doldrum measure`: a model, images, and a folder of Responses."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from doldrum.cli.inputs import load_images, load_model
from doldrum.cli.output import JsonFlag, emit, message
from doldrum.errors import InputError


def measure(
    model: Annotated[str, typer.Argument(help="An .onnx file, or a .safetensors checkpoint of doldrum's.")],
    images: Annotated[
        str,
        typer.Argument(
            help="A folder, an image, an .npy or .npz array, or a data set's split such as fashion-mnist:test."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="A new folder for the Parquet shards and the manifest, or an unfinished run's, which is continued."
        ),
    ],
    strengths: Annotated[
        str,
        typer.Option(help="Noise strengths (sigma), comma-separated, in units of the [0, 1] pixel range."),
    ] = "0.05,0.1,0.2,0.4",
    draws: Annotated[int, typer.Option(help="Noisy copies of each input at each strength.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the draws; all inputs share them.")] = 0,
    clip: Annotated[bool, typer.Option(help="Cut the noisy images to [0, 1].")] = False,
    outputs: Annotated[
        str, typer.Option(help="What an ONNX model returns: logits, probabilities or labels.")
    ] = "logits",
    num_classes: Annotated[
        int | None, typer.Option(help="Number of classes, where an ONNX file does not fix it.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Measure only the first so many images.")] = None,
    batch_size: Annotated[int, typer.Option(help="Inputs taken up at a time; changes memory, never the labels.")] = 256,
    engine: Annotated[
        str, typer.Option(help="auto, or one of eager, openvino, onnxruntime, compile; auto checks itself.")
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes of one thread each; 1, with --ray one a CPU. The labels are the same for every number."
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Address of a Ray cluster to run on: auto, HOST:6379, ray://HOST:10001, or local.", metavar="ADDRESS"
        ),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Perturb every image with Gaussian noise, and note the label of every draw.

    Example: doldrum measure model.onnx photos/ --strengths 0.05,0.1,0.2 --draws 100 --out result

    --out receives Parquet shards with one row per input and strength (id, base label, W with limits, dominant class and its
    lower limit, every draw's label) and manifest.json; doldrum.read_responses(DIR) reads them back. The same command again
    continues a run that was cut off.
    """
    from rich.table import Table

    from doldrum.measuring import Measurement, StoredResponses, measure_to
    from doldrum.measuring.stored import begun_engine
    from doldrum.probes import Gaussian
    from doldrum.profiles import mean_smoothness
    from doldrum.spread import check_workers

    begun = begun_engine(out)
    check_workers(workers, ray=ray)
    probe = Gaussian(_numbers(strengths), draws=draws, seed=seed, clip=clip)
    if limit is not None and limit < 1:
        raise InputError(f"expected a --limit of at least 1, got {limit}")
    classifier = load_model(model, outputs=outputs, num_classes=num_classes)
    read = load_images(images, classifier=classifier)
    found = read.images if limit is None else read.images.take(range(min(limit, len(read.images))))
    # A run that was cut off goes on with the engine it began with: "auto" may time another as the faster one today.
    engine = begun if begun is not None and engine == "auto" else engine
    run = Measurement(classifier, found, probe, batch_size=batch_size, engine=engine)
    chosen = run.info["engine"]
    message(
        f"measuring {len(found)} images x {len(probe.strengths)} strengths x {draws} draws with {chosen['engine']} "
        f"{chosen['precision']}; labels agree with fp32 on {chosen['agreement']:.1%} of {chosen['checked']} checked"
    )
    skipped = [{"path": str(path), "reason": reason} for path, reason in read.skipped]
    extra = {"skipped": skipped, "model": model, "images": images}
    manifest = measure_to(run, out, extra=extra, workers=workers, ray=ray)
    if manifest["invalid"]:
        message(f"{manifest['invalid']} draws or inputs got NaN or infinite scores: marked invalid, counted nowhere")
    message(f"wrote {manifest['inputs']} inputs to {out}")
    means = mean_smoothness(StoredResponses(out))
    table = Table(title="Mean W over the inputs (0: dead calm)", title_justify="left")
    for name in ("strength", "mean W", "95% limits"):
        table.add_column(name, justify="right")
    for strength, w in zip(probe.strengths, means, strict=True):
        table.add_row(f"{strength:g}", f"{w.value:.3f}", f"{w.lower:.3f} to {w.upper:.3f}")
    rows = [{"strength": s, **asdict(w)} for s, w in zip(probe.strengths, means, strict=True)]
    emit({"out": str(out), "mean_w": rows, **manifest}, as_json=json, table=table)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.replace(" ", ",").split(",") if part]
    except ValueError as error:
        raise InputError(f"expected comma-separated numbers, got {text!r}; e.g. 0.05,0.1,0.2") from error
