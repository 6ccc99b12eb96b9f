"""In the confined process: a detector that fits the time, fitted, calibrated, and run over the images until the time is over."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.audit import budget, scan
from doldrum.audit.opening import Opened
from doldrum.cleansing import ranking
from doldrum.data import ImageSet
from doldrum.detectors import SmoothnessProfile, load_detector
from doldrum.errors import InputError
from doldrum.files import write_text_whole
from doldrum.seeds import rng
from doldrum.stats.conformal import needed_size

__all__ = ["FEWEST_FIT", "promised", "ranked", "ranking_round"]

FEWEST_FIT = 50
_MOST_REFERENCE = 1000  # images that the others are compared with where nothing is known to be clean
_BATCH_SECONDS = 20.0  # what a kill loses
# Of the budget, and seconds: by so much it is passed at most, at the speed measured.
_BATCH_SHARE, _BATCH_LEAST = 0.02, 2.0

Tell = Callable[[Any], None]


def promised(
    opened: Opened,
    images: ImageSet,
    clean: tuple[ImageSet, ImageSet],
    folder: Path,
    settings: dict[str, Any],
    deadline: budget.Deadline,
    seed: int,
    tell: Tell,
) -> tuple[SmoothnessProfile, int]:
    """A calibrated detector, and how many images have rows: all, or the first that time was enough for."""
    fit, calibration = clean
    plan = _planned(opened, images, len(images) + len(fit) + len(calibration), folder, deadline, tell)
    detector, path = _kept(opened, folder, plan, tell)
    if detector is None:
        families = budget.families_of(opened.classifier.input_shape, plan["step"])
        overlays = budget.overlays_of(plan["step"])
        detector = _watched(SmoothnessProfile(families=families, overlays=overlays, seed=seed), plan, tell, deadline)
        tell({"stage": "fit", "total": len(fit)})
        began = budget.clock()
        detector.fit(opened.classifier, fit)
        pace, fpr = (budget.clock() - began) / len(fit), settings["fpr"]
        some = _enough(len(calibration), len(images), pace, deadline, least=needed_size(fpr))
        tell({"stage": "calibrate", "total": some})
        detector.calibrate(calibration.take(range(some)), fpr=fpr)
        detector.save(path)
    return detector, _scan(_watched(detector, plan, tell), images, np.arange(len(images)), folder, deadline, tell)


def _enough(calibration: int, images: int, pace: float, deadline: budget.Deadline, *, least: int) -> int:
    """How many calibration images leave the scan its share of the time that is left, at `pace` seconds an image.

    All, where all goes as planned. Decided before any of them is looked at, so the promise is that of a smaller set.
    """
    if deadline.left is None or pace <= 0:
        return calibration
    share = calibration / (calibration + images)
    return min(calibration, max(least, int(share * deadline.left / pace)))


def ranked(
    opened: Opened, images: ImageSet, folder: Path, deadline: budget.Deadline, seed: int, tell: Tell
) -> tuple[SmoothnessProfile, NDArray[np.int64], int]:
    """A detector fitted on some of the images themselves; the order in which rows number the images, and how many have rows.

    Each image is held against others only.
    """
    if len(images) < FEWEST_FIT:
        raise InputError(
            f"expected at least {FEWEST_FIT} images to compare with one another, got {len(images)}; give clean images with --clean"
        )
    order = rng(seed, "audit", "reference").permutation(len(images))
    reference, rest = np.sort(order[:_MOST_REFERENCE]), np.sort(order[_MOST_REFERENCE:])
    plan = _planned(opened, images, len(images), folder, deadline, tell)
    detector, path = _kept(opened, folder, plan, tell)
    if detector is None:
        families = budget.families_of(opened.classifier.input_shape, plan["step"])
        overlays = budget.overlays_of(plan["step"])
        detector = ranker = scan.Ranker(families=families, overlays=overlays, components=1, seed=seed)
        _watched(detector, plan, tell, deadline)
        tell({"stage": "fit", "total": len(reference)})
        chosen = images.take(reference)
        detector.fit(opened.classifier, chosen)
        scores = np.full(len(reference), np.inf)
        scores[ranker.evidence.labels >= 0] = detector.left_out()
        rows = scan.rows_of(
            ranker.evidence, list(detector.probes()), indices=range(len(reference)), ids=chosen.ids, scores=scores, p_values=None
        )  # fmt: skip
        scan.write_rows(folder / "reference.jsonl", rows)
        detector.save(path)
    reached = len(reference)
    if len(rest):
        numbers = len(reference) + np.arange(len(rest))
        copied = _copied(images, rest, folder / "rest.npy")
        reached += _scan(_watched(detector, plan, tell), copied, numbers, folder, deadline, tell)
    return detector, np.concatenate([reference, rest]), reached


def ranking_round(
    opened: Opened, data: ImageSet, earlier: Sequence[NDArray[np.float64]], folder: Path, seed: int, tell: Tell
) -> tuple[SmoothnessProfile, Path]:
    """The next round of `cleansing.ranking` over a training set, `earlier` being the scores of those before, and where its rows are."""
    deadline, place = budget.Deadline(None), folder / f"round-{len(earlier)}"
    place.mkdir(exist_ok=True)
    plan = _planned(opened, data, ranking.ROUNDS * len(data), folder, deadline, tell)
    detector, path = _kept(opened, place, plan, tell)
    if detector is None:
        tell({"stage": "fit"})
        detector = ranking.fitted_round(opened.classifier, data, earlier, seed=seed)
        detector.save(path)
    _scan(_watched(detector, plan, tell), data, np.arange(len(data)), place, deadline, tell)
    return detector, place


def _copied(images: ImageSet, rows: NDArray[np.int64], path: Path) -> ImageSet:
    """Some of the images, one after another on disk: an index into a memory-mapped array would read them all."""
    target = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(rows), *images.input_shape))
    for n, i in enumerate(rows):
        target[n] = images.images[i]
    return ImageSet(target, ids=[images.ids[int(i)] for i in rows])


def _kept(opened: Opened, folder: Path, plan: Any, tell: Tell) -> tuple[SmoothnessProfile | None, Path]:
    """The detector that a run which was cut off had ready, if it had one, and the file to keep it in."""
    path = folder / "detector.doldrum"
    if not path.exists():
        return None, path
    detector = load_detector(path, opened.classifier)
    assert isinstance(detector, SmoothnessProfile)
    return _watched(detector, plan, tell), path


def _watched(
    detector: SmoothnessProfile, plan: Any, tell: Tell, deadline: budget.Deadline | None = None
) -> SmoothnessProfile:
    """Tells of each batch; with a deadline, raises InputError after the batch in which it passes."""

    def heard(count: int) -> None:
        tell({"done": count})
        if deadline is not None and deadline.over:
            raise InputError(
                f"expected a --budget that lasts for fitting and calibrating, got {deadline.seconds:.0f}s, which ended before; give more "
                "time, or fewer clean images"
            )

    detector.batch_size = int(plan["batch"])
    detector.on_batch = heard
    return detector


def _scan(
    detector: SmoothnessProfile,
    images: ImageSet,
    indices: Any,
    folder: Path,
    deadline: budget.Deadline,
    tell: Tell,
) -> int:
    """How many images have rows, the first ones."""
    done = scan.whole_rows(folder)
    tell({"stage": "scan", "total": len(images), "done": done})
    reached = scan.scan_rows(detector, images, indices, folder, over=lambda: deadline.over)
    if reached < len(images):
        tell({"say": f"The time of --budget was over: {len(images) - reached:,} images were not scanned."})
    return reached


def _planned(opened: Opened, images: ImageSet, inputs: int, folder: Path, deadline: budget.Deadline, tell: Tell) -> Any:
    """{step, batch}: draws that fit the time, and images a batch; measured once and kept for a run that goes on."""
    path = folder / "plan.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    tell({"stage": "timing"})
    seconds = budget.seconds_per_forward(opened.classifier, images)
    shape = opened.classifier.input_shape
    step, expected = budget.fitting_step(
        seconds, deadline.seconds, inputs=inputs, input_shape=shape, spent=deadline.spent
    )
    forwards = budget.forwards_of(shape, step)
    _check_queries(opened.classifier, inputs, forwards)
    tell(
        {
            "say": f"{forwards} forwards for each of {inputs:,} images take about {_duration(expected)} at "
            f"{1 / seconds:,.0f} forwards a second"
        }
    )
    batch = (
        _BATCH_SECONDS
        if deadline.seconds is None
        else max(_BATCH_LEAST, min(_BATCH_SECONDS, _BATCH_SHARE * deadline.seconds))
    )
    plan = {"step": step, "batch": int(np.clip(batch / (seconds * forwards), 2, 256))}
    write_text_whole(path, json.dumps(plan))
    return plan


def _check_queries(classifier: Any, inputs: int, forwards: int) -> None:
    """InputError where an endpoint's budget can't last; whole batches and checks take some more than is counted here."""
    endpoint = getattr(classifier, "endpoint", None)
    if endpoint is None or endpoint.budget is None:
        return
    if (needed := classifier.queries + inputs * forwards) > endpoint.budget:
        raise InputError(
            f"expected --endpoint-queries of at least {needed:,} for {inputs:,} images at {forwards} forwards each, got {endpoint.budget:,}; "
            "raise it, give fewer images, or fewer draws by a smaller --budget"
        )


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
