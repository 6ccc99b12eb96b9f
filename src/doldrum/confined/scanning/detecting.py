"""In the confined process: choose a detector that fits the time limit, fit and calibrate the detector, and scan images
until the time is over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.confined.scanning import budget, scan
from doldrum.confined.scanning.plan import Plan, Task, planned
from doldrum.data import ImageSet
from doldrum.detectors import SmoothnessProfile, load_detector, save_detector
from doldrum.detectors.profile import ranking
from doldrum.errors import InputError
from doldrum.files import new_array, write_whole
from doldrum.seeds import rng
from doldrum.stats.conformal import needed_size

__all__ = ["FEWEST_FIT", "promised", "ranked", "ranking_round"]

FEWEST_FIT = 50
_MOST_REFERENCE = 1000  # images that the others are compared with where nothing is known to be clean


def promised(
    task: Task, images: ImageSet, clean: tuple[ImageSet, ImageSet], *, fpr: float
) -> tuple[SmoothnessProfile, int]:
    """Fit and calibrate a detector on the `clean` images, and scan `images` with it.

    Returns the detector, and the number of scanned images. If the time was too short, only the images at the beginning
    were scanned.
    """
    fit, calibration = clean
    plan = planned(task, images, len(images) + len(fit) + len(calibration))
    detector, path = _kept(task, task.folder)
    if detector is None:
        detector = SmoothnessProfile(**_draws(task, plan), seed=task.seed)
        _watch(detector, task, plan, until=task.deadline)
        task.tell({"stage": "fit", "total": len(fit)})
        began = budget.clock()
        detector.fit(task.opened.classifier, fit)
        pace = (budget.clock() - began) / len(fit)
        some = _enough(len(calibration), len(images), pace, task.deadline, least=needed_size(fpr))
        task.tell({"stage": "calibrate", "total": some})
        detector.calibrate(calibration.take(range(some)), fpr=fpr)
        save_detector(detector, path)
    return detector, _scan(detector, task, plan, images, np.arange(len(images)), task.folder)


def _enough(calibration: int, images: int, pace: float, deadline: budget.Deadline, *, least: int) -> int:
    """Choose how many calibration images are used, so that enough of the remaining time is left for the scan. `pace` is
    the number of seconds that one image takes.

    If measuring is as fast as planned, all calibration images are used. The number of calibration images is chosen
    before any of them is measured. So the promised false-positive rate holds even if only some of the calibration
    images are used.
    """
    if deadline.left is None or pace <= 0:
        return calibration
    share = calibration / (calibration + images)
    return min(calibration, max(least, int(share * deadline.left / pace)))


def ranked(task: Task, images: ImageSet) -> tuple[SmoothnessProfile, NDArray[np.int64], int]:
    """Rank the images by suspicion, with a detector that is fitted on some of these images. Each image is scored by a
    detector that was fitted without this image.

    Returns three values: the detector, the image numbers in the order of the rows, and the number of images that have
    rows.
    """
    if len(images) < FEWEST_FIT:
        raise InputError(
            f"expected at least {FEWEST_FIT} images to compare with one another, got {len(images)}; give clean images with --clean"
        )
    order = rng(task.seed, "audit", "reference").permutation(len(images))
    reference, rest = np.sort(order[:_MOST_REFERENCE]), np.sort(order[_MOST_REFERENCE:])
    plan = planned(task, images, len(images))
    detector, path = _kept(task, task.folder)
    if detector is None:
        detector = ranker = scan.Ranker(**_draws(task, plan), components=1, seed=task.seed)
        _watch(detector, task, plan, until=task.deadline)
        task.tell({"stage": "fit", "total": len(reference)})
        chosen = images.take(reference)
        detector.fit(task.opened.classifier, chosen)
        scores = np.full(len(reference), np.inf)
        scores[ranker.evidence.labels >= 0] = detector.left_out()
        rows = scan.rows_of(
            ranker.evidence, list(detector.probes()), indices=range(len(reference)), ids=chosen.ids, scores=scores, p_values=None
        )  # fmt: skip
        scan.write_rows(task.folder / "reference.jsonl", rows)
        save_detector(detector, path)
    reached = len(reference)
    if len(rest):
        numbers = len(reference) + np.arange(len(rest))
        copied = _copied(images, rest, task.folder / "rest.npy")
        reached += _scan(detector, task, plan, copied, numbers, task.folder)
    return detector, np.concatenate([reference, rest]), reached


def ranking_round(task: Task, data: ImageSet, earlier: Sequence[NDArray[np.float64]]) -> tuple[SmoothnessProfile, Path]:
    """Run the next round of `detectors.profile.ranking` on `data`. Return the detector of this round, and the folder
    with the rows of this round.

    `earlier` holds the scores (arrays of shape (N,)) of all earlier rounds.
    """
    place = task.folder / f"round-{len(earlier)}"
    place.mkdir(exist_ok=True)
    plan = planned(task, data, ranking.ROUNDS * len(data))
    detector, path = _kept(task, place)
    if detector is None:
        task.tell({"stage": "fit"})
        detector = ranking.fitted_round(task.opened.classifier, data, earlier, seed=task.seed)
        save_detector(detector, path)
    _scan(detector, task, plan, data, np.arange(len(data)), place)
    return detector, place


def _copied(images: ImageSet, rows: NDArray[np.int64], path: Path) -> ImageSet:
    """Copy the images with the numbers in `rows` to a file, one image at a time. To index the memory-mapped array with
    all numbers at once would load all these images into memory."""

    def write(draft: Path) -> None:
        target = new_array(draft, dtype=np.uint8, shape=(len(rows), *images.input_shape))
        for n, i in enumerate(rows):
            target[n] = images.images[i]

    write_whole(path, write)
    return ImageSet(np.load(path, mmap_mode="r", allow_pickle=False), ids=[images.ids[int(i)] for i in rows])


def _draws(task: Task, plan: Plan) -> dict[str, Any]:
    """The detector's arguments `families` and `overlays`, with the numbers of draws from the plan."""
    families = budget.families_of(task.opened.classifier.input_shape, plan.step)
    return {"families": families, "overlays": budget.overlays_of(plan.step)}


def _kept(task: Task, folder: Path) -> tuple[SmoothnessProfile | None, Path]:
    """Return the detector that an interrupted run saved (None if no detector was saved), and the path of the file for a
    saved detector."""
    path = folder / "detector.doldrum"
    if not path.exists():
        return None, path
    detector = load_detector(path, task.opened.classifier)
    assert isinstance(detector, SmoothnessProfile)
    return detector, path


def _watch(detector: SmoothnessProfile, task: Task, plan: Plan, *, until: budget.Deadline | None = None) -> None:
    """Make the detector report each batch. If the task has workers, the workers measure the batches.

    If there is a deadline `until`, the detector raises InputError after the first batch that ends after the deadline.
    """

    def heard(count: int) -> None:
        task.tell({"done": count})
        if until is not None and until.seconds is not None and until.over:
            raise InputError(
                f"expected a --budget with enough time to fit and calibrate the detector, got {until.seconds / until.share:.0f}s, which ran out before the end of the calibration; "
                f"give more time, or fewer clean images{budget.others_share(until.share)}"
            )

    detector.batch_size, detector.each = plan.batch, task.each
    detector.on_batch = heard


def _scan(
    detector: SmoothnessProfile,
    task: Task,
    plan: Plan,
    images: ImageSet,
    indices: NDArray[np.int64],
    folder: Path,
) -> int:
    """Scan the images, and return the number of images that have rows now, counted from the first image."""
    _watch(detector, task, plan)
    done = scan.whole_rows(folder)
    task.tell({"stage": "scan", "total": len(images), "done": done})
    reached = scan.scan_rows(detector, images, indices, folder, over=lambda: task.deadline.over)
    if reached < len(images):
        task.tell({"say": f"The time given by --budget ran out: {len(images) - reached:,} images were not scanned."})
    return reached
