"""`doldrum calibrate` and `doldrum scan`: a detector with a promise, and what it flags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from doldrum.cli.inputs import load_images, load_model
from doldrum.cli.output import JsonFlag, emit, message
from doldrum.errors import InputError

_IMAGES = "A folder, an image, an .npy or .npz array, or a data set's split such as fashion-mnist:test."
ModelArgument = Annotated[str, typer.Argument(help="An .onnx file, or a .safetensors checkpoint of doldrum's.")]
OutputsOption = Annotated[str, typer.Option(help="What an ONNX model returns: logits, probabilities or labels.")]
ClassesOption = Annotated[int | None, typer.Option(help="Number of classes, where an ONNX file does not fix it.")]
LimitOption = Annotated[int | None, typer.Option(help="Take only the first so many images.")]
MORE_THAN_PROMISED = 3
"""Exit code of a scan that flagged more than the promise explains."""


def calibrate(
    model: ModelArgument,
    clean: Annotated[str, typer.Argument(help="Clean images, as they come, used for nothing else. " + _IMAGES)],
    out: Annotated[Path, typer.Option(help="The detector's file; it holds a secret seed.")],
    detector: Annotated[str, typer.Option(help="profile, w, max-softmax, strip, scale-up, teco, …")] = "profile",
    fpr: Annotated[float, typer.Option(help="The false-positive rate to promise.")] = 0.01,
    fit_share: Annotated[float, typer.Option(help="Share of the images that the detector learns from.")] = 0.5,
    per_class: Annotated[bool, typer.Option(help="Promise the rate within each predicted class.")] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of the draws; by default fresh and secret.")] = None,
    limit: LimitOption = None,
    outputs: OutputsOption = "logits",
    num_classes: ClassesOption = None,
    json: JsonFlag = False,
) -> None:
    """Fit a detector on clean images and calibrate it on others, so that its flags come with a promise.

    Example: doldrum calibrate model.onnx clean/ --detector profile --fpr 0.01 --out guard.doldrum
    """
    from doldrum.detectors import DETECTORS
    from doldrum.detectors.splitting import fit_and_calibration
    from doldrum.stats.conformal import check_size

    if detector not in DETECTORS:
        raise InputError(f"expected a detector of {', '.join(DETECTORS)}, got {detector!r}; pick one")
    if not 0 < fit_share < 1:
        raise InputError(f"expected a --fit-share between 0 and 1, got {fit_share}; e.g. 0.5")
    classifier = load_model(model, outputs=outputs, num_classes=num_classes)
    found = _limited(load_images(clean, classifier=classifier).images, limit)
    cut = max(1, round(fit_share * len(found)))
    check_size(len(found) - cut, fpr, what="images besides those of fit")
    fit, calibration_set = fit_and_calibration(found, cut)
    fitted = DETECTORS[detector](seed=seed).fit(classifier, fit)
    fitted.calibrate(calibration_set, fpr=fpr, per_class=per_class).save(out)
    calibration = fitted.calibration
    assert calibration is not None
    promise = calibration.promise
    message(
        f"{detector}: {fitted.forwards} forwards an image; at most {fpr:.2%} of clean images are flagged on average; with "
        f"{calibration.smallest} calibration images the realised rate is between {promise.lower:.2%} and "
        f"{promise.upper:.2%} (95%)"
    )
    message(f"wrote {out}")
    summary = {
        "out": str(out), "detector": detector, "fpr": fpr, "forwards": fitted.forwards, "fit": cut,
        "calibration": len(found) - cut, "realised_fpr": vars(promise),
    }  # fmt: skip
    emit(summary, as_json=json)


def scan(
    model: ModelArgument,
    images: Annotated[str, typer.Argument(help="The images to scan. " + _IMAGES)],
    detector: Annotated[Path, typer.Option(help="A file that doldrum calibrate wrote for this model.")],
    out: Annotated[Path, typer.Option(help="A new folder, or that of this scan, cut off, which goes on.")],
    fdr: Annotated[float, typer.Option(help="Share of clean images allowed in the set of discoveries.")] = 0.1,
    limit: LimitOption = None,
    outputs: OutputsOption = "logits",
    num_classes: ClassesOption = None,
    json: JsonFlag = False,
) -> None:
    """Say which images look as if they carried a trigger.

    Example: doldrum scan model.onnx inbox/ --detector guard.doldrum --out verdicts

    --out receives Parquet shards (id, label, score, p_value, flag) and manifest.json. The exit code is 3 when more was flagged
    than the promise explains: more than the 95% limit, or a set of discoveries (Benjamini-Hochberg) that isn't empty.
    """
    from doldrum.detectors import load_detector
    from doldrum.detectors.scanning import scan_to

    classifier = load_model(model, outputs=outputs, num_classes=num_classes)
    loaded = load_detector(detector, classifier)
    found = _limited(load_images(images, classifier=classifier).images, limit)
    summary = scan_to(loaded, found, out, fdr=fdr, extra={"model": model, "images": images})
    message(
        f"{summary['flagged']} of {len(found)} images flagged at a promised {summary['fpr']:.2%}; up to {summary['limit']} "
        f"are explained by chance (95%); {summary['discoveries']} discoveries at FDR {fdr:g}"
    )
    if summary["note"]:
        message(summary["note"])
    emit({"out": str(out), **summary}, as_json=json)
    if summary["suspicious"]:
        message("more than clean images explain: look at those with the smallest p-values")
        raise typer.Exit(MORE_THAN_PROMISED)


def _limited(found: Any, limit: int | None) -> Any:
    if limit is not None and limit < 1:
        raise InputError(f"expected a --limit of at least 1, got {limit}")
    return found if limit is None else found.take(range(min(limit, len(found))))
