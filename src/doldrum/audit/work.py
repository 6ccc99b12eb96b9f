"""The work of an audit in the confined process: open, check, fit, calibrate, scan and explain. The confined process
writes its results into files, and returns facts about its work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.audit import pictures
from doldrum.audit.explaining import explain_flagged
from doldrum.confined.job import Tell
from doldrum.confined.material import fitted, left_out, listed, read_material, same_images
from doldrum.confined.on_clean import on_clean
from doldrum.confined.scanning import budget, detecting, scan
from doldrum.confined.scanning.detecting import FEWEST_FIT
from doldrum.confined.scanning.plan import Task
from doldrum.confined.scanning.sending_out import Ask, sent_out
from doldrum.data import ImageSet
from doldrum.detectors import SmoothnessProfile
from doldrum.detectors.contract.splitting import check_apart, num_to_fit
from doldrum.errors import InputError
from doldrum.intake import Skipped
from doldrum.opening.inside import facts_of, open_suspect
from doldrum.records.audit import MOST_SKIPPED
from doldrum.seeds import rng
from doldrum.stats.conformal import needed_size

__all__ = ["split_clean", "work"]

_MOST_FIT, _MOST_CALIBRATION = 700, 2000


def work(job: dict[str, Any], tell: Tell, ask: Ask | None = None) -> dict[str, Any]:
    """Do the work of an audit in the confined process, and return facts about the model, the clean images and the scanned images.

    `job` is a dict with the keys `settings`, `work` (a folder) and `seed`. `settings` holds the values of
    `AuditSettings.to_dict()`, and also the value `share`, which is the scan's share of the time budget. The function
    `ask`, if given, sends batches of images to workers.

    The files rows-*.jsonl and shown-*.json, and the folder pixels/, are written into the folder `work`.
    """
    settings, folder, seed = job["settings"], Path(job["work"]), int(job["seed"])
    deadline = budget.Deadline(settings["budget"], share=settings["share"])
    tell({"stage": "model"})
    opened = open_suspect(settings)
    clean, parts = None, None
    if settings["clean"] is not None:  # first: they are few, and where they won't do the suspects needn't be read
        clean = read_material(settings["clean"], "clean", folder, opened, settings, tell)
        parts = _parted(clean.images, settings["fpr"], seed)
    material = read_material(settings["images"], "images", folder, opened, settings, tell)
    same_images(folder, material, clean)
    helped: dict[str, Any] = {} if ask is None else {"each": sent_out(ask), "helpers": settings["workers"]}
    task = Task(opened=opened, folder=folder, seed=seed, tell=tell, deadline=deadline, **helped)
    facts: dict[str, Any] = {"clean": None, "doubts": [], "remarks": []}
    fits = fitted(scanned=material, clean=clean)
    if clean is None or parts is None:
        detector, order, reached = detecting.ranked(task, material.images)
    else:
        overlap = _overlap(material.images, clean.images)
        facts |= on_clean(opened, clean, settings, tell)
        facts["remarks"] += [*left_out(clean), *overlap]
        detector, reached = detecting.promised(task, material.images, parts, fpr=settings["fpr"])
        order = np.arange(len(material.images))
        assert detector.calibration is not None
        facts["clean"] |= {"fit": len(parts[0]), "calibration": detector.calibration.smallest}
        used = len(parts[0]) + detector.calibration.smallest
        if used < len(clean.images):
            facts["remarks"].append(f"Of {len(clean.images):,} clean images {used:,}, drawn at random, were used.")
    facts["remarks"] += fits
    suspicious = _suspicious(folder)
    explanations = None
    if clean is not None:
        flagged = [i for p, _, i in suspicious if p <= settings["fpr"] * (1 + 1e-9)][: settings["explain"]]
        explanations, told = explain_flagged(
            task, material.images, clean.images, flagged, forwards=detector.forwards * reached
        )
        facts["remarks"] += told
    _pixels(detector, material.images, folder, order, suspicious)
    late = [
        Skipped(material.images.ids[int(i)], "not reached: the time given by --budget ran out") for i in order[reached:]
    ]
    skipped = [*late, *material.skipped]
    names = opened.class_names or (
        material.class_names if len(material.class_names) == opened.classifier.num_classes else None
    )
    queries = getattr(opened.classifier, "queries", None)
    if queries is not None:
        facts["remarks"].append(f"{queries:,} images were sent to the endpoint in this run.")
    return facts | {
        "model": facts_of(opened, names),
        "images": {
            "scanned": reached,
            "unreached": len(late),
            **listed(skipped, most=MOST_SKIPPED),
        },
        "explanations": None if explanations is None else explanations.to_dict(),
        "forwards": detector.forwards,
        "queries": queries,
        "band": scan.band(detector),
    }


def _parted(clean: ImageSet, fpr: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Split the clean images into two parts, one to fit the detector and one to calibrate it. If the clean images
    cannot be used, InputError is raised before any work."""
    fit, calibration = split_clean(len(clean), fpr, seed)
    parts = clean.take(fit), clean.take(calibration)
    check_apart(*parts)
    return parts


def split_clean(count: int, fpr: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose at random which clean images are used to fit the detector, and which to calibrate it.

    Half of the images are used to fit, but at least 50 and at most 700. If half of the images are too few to calibrate
    for `fpr`, fewer than half are used to fit. The images that are not used to fit are used to calibrate. At most 2,000
    images are used to calibrate, or twice the number that `fpr` needs if this is more than 2,000.

    Raises InputError if there are too few images; the message says how many are needed.

    >>> [len(part) for part in split_clean(1500, 0.01, 0)], [len(part) for part in split_clean(160, 0.01, 0)]
    ([700, 800], [61, 99])
    """
    other = ", or leave out clean=, so that images are ranked but not flagged"
    fit = num_to_fit(count, fpr, least=FEWEST_FIT, most=_MOST_FIT, other=other)
    order = rng(seed, "audit", "clean").permutation(count)
    return order[:fit], order[fit : fit + max(_MOST_CALIBRATION, 2 * needed_size(fpr))]


def _overlap(images: ImageSet, clean: ImageSet) -> list[str]:
    known = {hashlib.blake2b(x.tobytes(), digest_size=16).digest() for x in clean.images}
    same = sum(hashlib.blake2b(x.tobytes(), digest_size=16).digest() in known for x in images.images)
    if not same:
        return []
    if same == len(images):
        raise InputError(
            f"expected images other than the clean ones, got {same:,} that are all copies of clean images; give other images"
        )
    return [
        f"{same:,} of the {len(images):,} images are copies of clean images, pixel by pixel. The audit says nothing about these copies, because "
        "the same images were given as clean."
    ]


def _suspicious(folder: Path) -> list[tuple[float, float, int]]:
    """Return the triples (p-value, -score, image number) of all scanned images, the most suspicious first. If an image
    has no p-value, the value 1 is used as its p-value."""
    found = []
    for path in [*sorted(folder.glob("rows-*.jsonl")), folder / "reference.jsonl"]:
        if path.exists():
            with path.open(encoding="utf-8") as file:
                found += [(1.0 if r["p"] is None else r["p"], -r["score"], r["i"]) for r in map(json.loads, file)]
    return sorted(found)


def _pixels(
    detector: SmoothnessProfile,
    images: ImageSet,
    folder: Path,
    order: NDArray[np.int64],
    suspicious: Sequence[tuple[float, float, int]],
) -> None:
    """Write the pixels of the most suspicious images and of their noisy copies, with the same noise as in the
    measurement."""
    target = folder / "pixels"
    target.mkdir(exist_ok=True)
    noise = detector.probes()["noise"]
    for _, _, index in suspicious[: pictures.MOST]:
        pictures.write_pixels(target, index, images.images[int(order[index])], noise)
