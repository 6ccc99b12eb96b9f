"""`doldrum calibrate` and `doldrum scan`: a detector with a promised false-positive rate, and the images that it flags."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doldrum.cli.as_opened import open_as_calibrated
from doldrum.cli.inputs import ADDRESSES, check_limit, check_spread, load_model, stored_images, warn_of_preprocessing
from doldrum.cli.interrupts import kept
from doldrum.cli.model_options import MODEL, takes_model
from doldrum.cli.out_file import DETECTOR, check_out_file
from doldrum.cli.output import JsonFlag, emit, flags_in_words, message, message_skipped
from doldrum.cli.result_files import JunitOption, ResultFiles, SarifOption
from doldrum.cli.spread_options import Ray, Workers
from doldrum.errors import InputError, StorageError
from doldrum.files import tidied
from doldrum.progress import progress_bar
from doldrum.remote import redacted

if TYPE_CHECKING:
    from doldrum.detectors import Detector

_MOST_TO_FIT = 2000  # more cost time with every input that is scanned, and bring little
_MANY_TO_FIT = 500  # with fewer, what they leave to luck is told
ModelArgument = Annotated[str, typer.Argument(help=MODEL)]
LimitOption = Annotated[int | None, typer.Option(help="Use only the first N readable images.")]
MORE_THAN_PROMISED = 3
"""The exit code of `doldrum scan` if it flagged more images than is consistent with the promised false-positive
rate."""


@takes_model
def calibrate(
    model: ModelArgument,
    clean: Annotated[
        str, typer.Argument(help="Clean images that were not hand-picked and serve no other purpose. " + ADDRESSES)
    ],
    out: Annotated[Path, typer.Option(help="File to write the detector to. The file holds a secret seed.")],
    detector: Annotated[
        str,
        typer.Option(
            help="The detector, one of profile, staged-profile, max-softmax, w, rpp, strip, scale-up, teco, frequency, ibd-psc, psbd. Most detectors need only labels. max-softmax, rpp and strip need scores. ibd-psc and psbd need a checkpoint of doldrum train."
        ),
    ] = "profile",
    fpr: Annotated[float, typer.Option(help="The false-positive rate to promise.")] = 0.01,
    fit_share: Annotated[
        float | None,
        typer.Option(
            help="Share of the images that are used to fit the detector. Default: half of the images, but at most 2,000, and fewer if calibration needs more."
        ),
    ] = None,
    per_class: Annotated[bool, typer.Option(help="Promise the rate for each predicted class separately.")] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of the draws. Default: a new, secret seed.")] = None,
    limit: LimitOption = None,
    workers: Workers = None,
    ray: Ray = None,
    *,
    asked: dict[str, Any],
    json: JsonFlag = False,
) -> None:
    """Make a detector with a promised false-positive rate: fit it on some clean images, and calibrate it on others.

    To fit the detector profile, at least 10 images are needed (100 work well, 500 better). To calibrate, at least 99 other images are needed for
    --fpr 0.01, 19 for --fpr 0.05, and 9 for --fpr 0.1. So the smallest number in total is 109, 29 or 19.

    Images in arrays are read in place. Images that are not in arrays are decoded once into a folder beside --out. The folder takes one byte per
    pixel value, and is deleted when the command ends. An interrupted calibration keeps its measurements and its secret seed in OUT.resume. Run
    the same command again to continue.

    Example: doldrum calibrate model.onnx clean/ --detector profile --fpr 0.01 --out guard.doldrum
    """
    from doldrum.detectors import DETECTORS, save_detector
    from doldrum.detectors.contract.measuring import each_by
    from doldrum.detectors.contract.splitting import check_apart, fit_and_calibration, num_to_fit
    from doldrum.detectors.deploy.kept import holds_batches, kept_batches
    from doldrum.opening import ModelSettings
    from doldrum.stats.conformal import num_allowed

    if detector not in DETECTORS:
        raise InputError(
            f"expected the name of a detector ({', '.join(DETECTORS)}), got {detector!r}; name one of these"
        )
    if fit_share is not None and not 0 < fit_share < 1:
        raise InputError(f"expected a --fit-share between 0 and 1, got {fit_share}; e.g. 0.5")
    num_allowed(0, fpr)  # refuses what is no rate
    check_limit(limit)
    made = DETECTORS[detector](seed=seed)
    settings = ModelSettings(model=model, **asked)
    check_spread(settings, workers, ray)
    check_out_file(out, DETECTOR, model=settings, images=[clean])
    suspect = load_model(settings)
    classifier = suspect.classifier
    made.check_classifier(classifier)
    with _decoded(clean, out, classifier, settings.resize, limit) as found:
        warn_of_preprocessing(suspect, found, settings)
        cut = num_to_fit(len(found), fpr, least=made.fewest, most=_MOST_TO_FIT, share=fit_share)
        fit, calibration_set = fit_and_calibration(found, cut)
        check_apart(fit, calibration_set)
        resume = out.with_name(f"{out.name}.resume")
        with (
            kept("finished batches", resume, there=holds_batches),
            kept_batches(made, resume, classifier, [fit, calibration_set], each=each_by(workers, ray)),
        ):
            with progress_bar("checking the model, and fitting", len(fit)) as made.on_batch:
                fitted = made.fit(classifier, fit)
            with progress_bar("calibrating", len(calibration_set)) as fitted.on_batch:
                fitted.calibrate(calibration_set, fpr=fpr, per_class=per_class)
        save_detector(fitted, out, preprocessing=settings.preprocessing)
    calibration = fitted.calibration
    assert calibration is not None
    promise = calibration.promise
    of = "" if calibration.groups is None else " of the smallest class"
    message(
        f"the detector {detector} takes {'at most ' if fitted.stages() else ''}{fitted.forwards} forward passes per image. On average, the detector flags at most "
        f"{fpr:.2%} of clean images. With {calibration.smallest} calibration images{of}, the actual false-positive rate is between {promise.lower:.2%} "
        f"and {promise.upper:.2%} for 95% of calibration sets"
    )
    outlook = _outlook(fitted, len(calibration_set), fpr)
    message(f"wrote {out}")
    summary = {
        "out": str(out), "detector": detector, "fpr": fpr, "forwards": fitted.forwards, "fit": cut,
        "calibration": len(calibration_set), "realised_fpr": vars(promise), **outlook,
    }  # fmt: skip
    emit(summary, as_json=json)


def _outlook(fitted: Detector, calibration: int, fpr: float) -> dict[str, Any]:
    """For a profile detector that was fitted on few images, estimate how many triggers it finds. Print this estimate,
    and return it for the summary.

    Returns an empty dict if the detector is not a profile detector, or if it was fitted on many images.
    """
    from doldrum.detectors import SmoothnessProfile

    if not isinstance(fitted, SmoothnessProfile) or len(fitted.labels_) >= _MANY_TO_FIT:
        return {}
    seen = fitted.outlook(calibration=calibration, fpr=fpr)
    without = (
        f", without any image for {seen.classes_without} of the {seen.classes} classes" if seen.classes_without else ""
    )
    learned = f"the detector learned from {seen.images} images{without}"
    told: dict[str, Any] = {"found": None, "unlucky": None, "classes_without": seen.classes_without}
    if seen.classes_without > seen.classes / 2:
        message(
            f"{learned}. These are too few images per class to estimate how many triggers the detector finds. With more clean images, it finds more"
        )
        return {"outlook": told}
    message(
        f"{learned}. The detector flags about {seen.found:.0%} of simulated triggers, and about {seen.unlucky:.0%} with an unlucky calibration set (the worst tenth "
        "of such sets). This estimate was checked only with models of ten classes. For a real trigger, the share of flagged images can be very different. With more clean "
        f"images, the detector finds more triggers: with ten classes, {_MANY_TO_FIT} images to fit and {_MANY_TO_FIT} images to calibrate, the result depends little on chance"
    )
    return {"outlook": told | {"found": round(seen.found, 3), "unlucky": round(seen.unlucky, 3)}}


@takes_model
def scan(
    model: ModelArgument,
    images: Annotated[str, typer.Argument(help="The images to scan. " + ADDRESSES)],
    detector: Annotated[Path, typer.Option(help="A file that doldrum calibrate wrote for this model.")],
    out: Annotated[
        str,
        typer.Option(
            help="A new folder, or the folder of an interrupted scan, which is continued. For shards, --out can also be an address (s3:// or gs://)."
        ),
    ],
    fdr: Annotated[
        float, typer.Option(help="The false-discovery rate: the share of clean images allowed among the discoveries.")
    ] = 0.1,
    limit: LimitOption = None,
    sarif: SarifOption = None,
    junit: JunitOption = None,
    workers: Workers = None,
    ray: Ray = None,
    *,
    asked: dict[str, Any],
    json: JsonFlag = False,
) -> None:
    """Find images that look triggered.

    The detector's file stores how the model was opened, so you need not repeat the model's options.

    The command writes manifest.json and Parquet files with the columns id, label, score, p_value and flag into --out.

    The exit code is 3 if more images are flagged than is consistent with the promised rate. So the exit code is 3 if
    there are more flags than the 95% limit, if there are any discoveries (Benjamini-Hochberg), or if there are more
    flags than the watch allows (at 99%). The watch is a statistical test of all p-values. The watch also says whether
    the images are still like the calibration images. If the images are no longer like the calibration images, no
    false-positive rate is promised (see `watch` in manifest.json).

    Images in arrays are read in place. Images that are not in arrays are decoded once into --out, which takes one byte per pixel value until the
    command ends. Files that cannot be read are listed and left out.

    Images at addresses, or in files named by a pattern such as 's3://bucket/shard-{000000..000099}.tar', are scanned
    file by file. A file that is scanned separately is called a shard, and gets one Parquet file of verdicts in --out.
    The folder --out can also be an address (s3:// or gs://). To continue an interrupted scan, run the same command
    again: it scans the shards that have no result yet. If a shard cannot be read, the command names this shard, scans
    the other shards, and ends with exit code 1.

    Example: doldrum scan model.onnx inbox/ --detector guard.doldrum --out verdicts
    """
    from doldrum.detectors import load_detector
    from doldrum.detectors.deploy.sharded import is_sharded
    from doldrum.findings import of_scan
    from doldrum.opening import ModelSettings
    from doldrum.spread import check_workers
    from doldrum.stats.conformal import fewest_discoveries

    fewest_discoveries(1, 1, fdr)  # refuses what is no rate
    check_limit(limit)
    check_workers(workers, ray=ray)
    sharded = is_sharded(images, out)
    results = ResultFiles(sarif, junit)
    _check_out(out, sharded=sharded, limit=limit, results=results)
    if sarif is not None or junit is not None:
        results.check(model=ModelSettings(model=model, **asked), images=[images], files=[detector])
    loaded = load_detector(detector)
    suspect, settings = open_as_calibrated(model, asked, loaded, guard=detector, workers=workers, ray=ray)
    extra = {"model": settings.shown_model, "images": redacted(images)}
    how: dict[str, Any] = {"fdr": fdr, "workers": workers, "ray": ray}
    if sharded:
        summary = _scan_shards(loaded, images, out, resize=settings.resize, extra=extra, **how)
    else:
        store = _stored(images, Path(out), suspect.classifier, settings.resize, limit)
        summary = _scan(loaded, store, Path(out), extra=extra, **how)
    told = flags_in_words(summary, summary["inputs"], "images", fdr=fdr)
    message(f"{told}. The mean number of forward passes per image was {summary['mean_forwards']:.1f}")
    if summary["note"]:
        message(summary["note"])
    message(summary["watch"]["words"])
    emit({"out": redacted(out), **summary}, as_json=json)
    if failed := summary.get("failed"):
        raise StorageError(
            f"expected {summary['shards']:,} readable shards, got {len(failed):,} {'shard' if len(failed) == 1 else 'shards'} that could not be read (named above); the other shards are done: run "
            "the same command again to scan only the shards named above"
        )
    results.write(
        lambda: of_scan(
            summary, out, model=settings.shown_model, images=images, sentences=[f"{told}.", summary["note"]]
        )
    )
    if summary["suspicious"]:
        drift = " If the images are not like the calibration images, calibrate again: such images are flagged more often even without a trigger"
        message(
            "There are more flags than expected from clean images alone. Look at the images with the smallest p-values."
            + drift * (summary["watch"]["kind"] == "drift")
        )
        raise typer.Exit(MORE_THAN_PROMISED)


def _check_out(out: str, *, sharded: bool, limit: int | None, results: ResultFiles) -> None:
    """Raise InputError if the scan can't write to --out, or if an option is not possible in a scan of shards."""
    from doldrum.detectors.deploy.scanning import check_scan_folder

    if not sharded:
        check_scan_folder(out)
    elif limit is not None:
        raise InputError("expected no --limit with shards, got --limit; name fewer shards, e.g. shard-{000..009}.tar")
    elif results != ResultFiles(None, None):
        raise InputError(
            "expected images in files and folders with --sarif and --junit, got shards; read the results in --out instead"
        )


def _stored(images: str, out: Path, classifier: Any, resize: Any, limit: int | None) -> Any:
    from doldrum.detectors.deploy.scanning import check_scan_folder, is_unfinished

    return stored_images(
        images,
        out,
        classifier=classifier,
        resize=resize,
        limit=limit,
        check=check_scan_folder,
        unfinished=is_unfinished,
    )


def _scan(loaded: Detector, store: Any, out: Path, *, extra: dict[str, Any], **how: Any) -> dict[str, Any]:
    from doldrum.detectors.deploy.scanning import is_unfinished, scan_to

    with kept("finished images", out, there=is_unfinished), store as (found, skipped):
        listed = [{"path": str(path), "reason": reason} for path, reason in skipped]
        return scan_to(loaded, found, out, extra={**extra, "skipped": listed}, **how)


def _scan_shards(loaded: Detector, images: str, out: str, **how: Any) -> dict[str, Any]:
    """Scan the shards and return the summary; shards and images with problems are listed on standard error."""
    from doldrum.detectors.deploy.sharded import is_unfinished_at, scan_shards

    with kept("finished shards", Path(redacted(out)), there=lambda _: is_unfinished_at(out)):
        summary = scan_shards(loaded, images, out, **how)
    if summary["fitted"]:
        message(f"note: {summary['fitted']}")
    message_skipped(_pairs(summary["skipped"]), unlisted=summary["unlisted"], where=f"; see {redacted(out)}")
    message_skipped(_pairs(summary["failed"]), where=f"; see {redacted(out)}", did="could not read")
    return summary


def _pairs(listed: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(one["path"], one["reason"]) for one in listed]


@contextmanager
def _decoded(clean: str, out: Path, classifier: Any, resize: Any, limit: int | None) -> Iterator[Any]:
    """A context manager that gives the clean images as an ImageSet. Images that had to be decoded are in a temporary
    file, which is deleted when the block ends."""
    import numpy as np

    from doldrum.data import ImageSet

    with tidied(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=out.parent, prefix=f"{out.name}.", suffix=".part") as folder,
            stored_images(clean, Path(folder), classifier=classifier, resize=resize, limit=limit) as (found, _),
        ):
            if not isinstance(found, ImageSet):
                found = ImageSet(np.lib.format.open_memmap(found.path, mode="r"), ids=found.ids)
            yield found
