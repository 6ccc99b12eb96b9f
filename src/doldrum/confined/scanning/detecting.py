"""In the confined process: a detector that fits the time, fitted, calibrated, and run over the images until the time is over."""

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
from doldrum.seeds import rng
from doldrum.stats.conformal import needed_size

__all__ = ["FEWEST_FIT", "promised", "ranked", "ranking_round"]

FEWEST_FIT = 50
_MOST_REFERENCE = 1000  # images that the others are compared with where nothing is known to be clean


def promised(
    task: Task, images: ImageSet, clean: tuple[ImageSet, ImageSet], *, fpr: float
) -> tuple[SmoothnessProfile, int]:
    """A detector fitted and calibrated on `clean`, and how many images have rows: all, or the first that time was enough for."""
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
    """How many calibration images leave the scan its share of the time that is left, at `pace` seconds an image.

    All, where all goes as planned. Decided before any of them is looked at, so the promise is that of a smaller set.
    """
    if deadline.left is None or pace <= 0:
        return calibration
    share = calibration / (calibration + images)
    return min(calibration, max(least, int(share * deadline.left / pace)))


def ranked(task: Task, images: ImageSet) -> tuple[SmoothnessProfile, NDArray[np.int64], int]:
    """A detector fitted on some of the images themselves; the order in which rows number the images, and how many have rows.

    Each image is held against others only.
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
    """The next of the rounds of `detectors.profile.ranking` over images, `earlier` being the scores (N,) of those before; and the folder with its rows."""
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
    """Some of the images, one after another on disk: an index into a memory-mapped array would read them all."""
    target = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(rows), *images.input_shape))
    for n, i in enumerate(rows):
        target[n] = images.images[i]
    return ImageSet(target, ids=[images.ids[int(i)] for i in rows])


def _draws(task: Task, plan: Plan) -> dict[str, Any]:
    """How many draws per detector makes, as its arguments."""
    families = budget.families_of(task.opened.classifier.input_shape, plan.step)
    return {"families": families, "overlays": budget.overlays_of(plan.step)}


def _kept(task: Task, folder: Path) -> tuple[SmoothnessProfile | None, Path]:
    """The detector that a run which was cut off had ready, if it had one, and the file to keep it in."""
    path = folder / "detector.doldrum"
    if not path.exists():
        return None, path
    detector = load_detector(path, task.opened.classifier)
    assert isinstance(detector, SmoothnessProfile)
    return detector, path


def _watch(detector: SmoothnessProfile, task: Task, plan: Plan, *, until: budget.Deadline | None = None) -> None:
    """Tell of each batch, and have the task's helpers measure, if it has any; with a deadline, raise InputError after the batch in which it passes."""

    def heard(count: int) -> None:
        task.tell({"done": count})
        if until is not None and until.seconds is not None and until.over:
            raise InputError(
                f"expected a --budget long enough to fit and calibrate, got {until.seconds / until.share:.0f}s, which ran out before; "
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
    """How many images have rows, the first ones."""
    _watch(detector, task, plan)
    done = scan.whole_rows(folder)
    task.tell({"stage": "scan", "total": len(images), "done": done})
    reached = scan.scan_rows(detector, images, indices, folder, over=lambda: task.deadline.over)
    if reached < len(images):
        task.tell({"say": f"The time given by --budget ran out: {len(images) - reached:,} images were not scanned."})
    return reached
