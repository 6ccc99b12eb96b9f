"""`doldrum cleanse`: which samples of a training set to drop, and the set without them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from doldrum.cli.attack_files import read_poisoned, write_arrays
from doldrum.cli.detect import MORE_THAN_PROMISED, ClassesOption, OutputsOption
from doldrum.cli.inputs import load_images, load_model
from doldrum.cli.output import JsonFlag, emit, message, plain
from doldrum.errors import InputError
from doldrum.files import write_text_whole, write_whole

_CARRIED = ("poisoned", "cover", "original_labels")
"""What doldrum poison writes beside images and labels, one entry a sample; never looked at, only carried over."""


def cleanse(
    data: Annotated[
        str,
        typer.Argument(help="The training set: an .npz array with labels, a folder with one folder a class, or a split "
                            "such as fashion-mnist:train."),
    ],
    model: Annotated[str, typer.Option(help="The model trained on it: a checkpoint of doldrum's, or an .onnx file.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder.")],
    clean: Annotated[
        str | None, typer.Option(help="Clean images that it was not trained on, for a promise; 500 or more do well.")
    ] = None,
    method: Annotated[str, typer.Option(help="Whose list to drop: profile, spectral or clustering.")] = "profile",
    fpr: Annotated[float, typer.Option(help="With --clean: the false-positive rate that the profile promises.")] = 0.05,
    rate: Annotated[
        float, typer.Option(help="The most poison to expect, of the set (ranking) or of a class (spectral).")
    ] = 0.05,
    seed: Annotated[int | None, typer.Option(help="Seed of the draws; by default fresh and secret.")] = None,
    outputs: OutputsOption = "logits",
    num_classes: ClassesOption = None,
    json: JsonFlag = False,
) -> None:  # fmt: skip
    """Say which samples of a training set look poisoned, by the model trained on it, and write the set without them.

    Example: doldrum cleanse bad.npz --model bad.safetensors --clean trusted/ --out cleansed, then
    doldrum train cleansed/clean.npz --out again.safetensors

    --out receives drop.txt (a row number a line, from 0), clean.npz (the other samples), samples.parquet (what every method says of
    every sample) and summary.json. Activation clustering and spectral signatures need a checkpoint. The exit code is 3 when the
    profile flagged more than its promise explains, as in scan; without --clean there is a ranking and no promise.
    """
    from doldrum.cleansing import METHODS
    from doldrum.cleansing import cleanse as cleanse_set
    from doldrum.measuring import check_new_folder

    if method not in METHODS:
        raise InputError(f"expected a --method of {', '.join(METHODS)}, got {method!r}; pick one")
    check_new_folder(out)
    classifier = load_model(model, outputs=outputs, num_classes=num_classes)
    found, poisoned = _training_set(data, classifier)
    trusted = None if clean is None else load_images(clean, classifier=classifier).images
    result = cleanse_set(classifier, found, clean=trusted, fpr=fpr, rate=rate, seed=seed)
    drop = result.drop(method)
    if drop.all():
        raise InputError(f"expected something to keep, got all {len(drop)} samples on the list; lower --fpr or --rate")

    out.mkdir(parents=True, exist_ok=True)
    rows = np.flatnonzero(drop)
    frame = result.to_frame()
    write_whole(out / "samples.parquet", lambda draft: frame.to_parquet(draft, index=False))
    write_text_whole(out / "drop.txt", "".join(f"{row}\n" for row in rows))
    carried = _carried(data, ~drop) if poisoned else {}
    write_arrays(out / "clean.npz", images=found.images[~drop], labels=result.labels[~drop], **carried)
    summary = {
        "out": str(out), "data": data, "model": model, "clean": clean, "method": method, "samples": len(drop),
        "dropped": len(rows), "kept": len(drop) - len(rows), "suspicious": result.suspicious,
        "promise": _promise(result), "refused": dict(result.refused),
        "methods": {name: _of_method(verdict, result.labels) for name, verdict in result.verdicts.items()},
    }  # fmt: skip
    emit(summary, as_json=json, out=out / "summary.json", table=_table(result, found.class_names))
    for name, why in result.refused.items():
        message(f"{name} was not run: {why}")
    message(f"wrote {out}: drop.txt lists {len(rows)} of {len(drop)} samples ({method}); clean.npz has the others")
    promise = summary["promise"]
    if promise is None:
        message("no clean images: a ranking, and no promise; it can't say whether the set is poisoned")
    else:
        message(
            f"{promise['flagged']} flagged at a promised {fpr:.2%}; up to {promise['limit']} are explained by chance (95%); "
            f"{promise['discoveries']} discoveries at FDR 0.1"
        )
    if result.suspicious:
        message("more than clean samples explain: look at those with the smallest p-values")
        raise typer.Exit(MORE_THAN_PROMISED)


def _training_set(data: str, classifier: Any) -> tuple[Any, bool]:
    """The images, and whether doldrum poison wrote them."""
    from doldrum.data import DATASETS

    if Path(data).suffix.lower() == ".npz":
        found, attack = read_poisoned(data)
        return found, attack is not None
    # A bare name means the test split elsewhere; nobody trained on that.
    named = data in DATASETS and not Path(data).exists()
    return load_images(f"{data}:train" if named else data, classifier=classifier).images, False


def _carried(data: str, keep: NDArray[np.bool_]) -> dict[str, Any]:
    """What an .npz of doldrum poison holds beside images and labels, of the samples that stay."""
    with zipfile.ZipFile(data) as archive:
        sizes = {i.filename: i.file_size for i in archive.infolist()}
    with np.load(data, allow_pickle=False) as arrays:
        found: dict[str, Any] = {"attack": arrays["attack"]}
        for name in _CARRIED:
            if 0 < sizes.get(f"{name}.npy", 0) <= 64 * len(keep) + 4096 and arrays[name].shape == keep.shape:
                found[name] = arrays[name][keep]
    return found


def _promise(result: Any) -> dict[str, Any] | None:
    if not result.promised:
        return None
    verdict = result.verdicts["profile"]
    names = ("fpr", "num_calibration", "limit", "more_than_promised", "discoveries", "realised_fpr")
    return {"flagged": verdict.num_dropped, **{name: verdict.details[name] for name in names}}


def _of_method(verdict: Any, labels: NDArray[np.int64]) -> dict[str, Any]:
    counts = np.bincount(labels[verdict.drop], minlength=int(labels.max()) + 1)
    details = {k: v for k, v in verdict.details.items() if k in ("rate", "classes")}
    return {"rule": verdict.rule, "dropped": verdict.num_dropped, "dropped_by_label": counts.tolist(), **plain(details)}


def _table(result: Any, names: Any) -> Any:
    from rich.markup import escape
    from rich.table import Table

    from doldrum.intake import visible

    table = Table(title=f"Samples to drop, of {len(result)}", title_justify="left")
    for name in ("method", "samples", "most of label", "rule"):
        table.add_column(name, overflow="fold")
    for method, verdict in result.verdicts.items():
        counts = np.bincount(result.labels[verdict.drop], minlength=1)
        top = int(counts.argmax())
        most = f"{visible(names[top])}: {counts[top]}" if counts[top] else "-"
        table.add_row(method, str(verdict.num_dropped), escape(most), verdict.rule)
    return table
