"""The work of a cleansing in the confined process: score every sample with every method, and write the cleansed set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.cleansing import METHODS, Cleansing, Verdict
from doldrum.cleansing.methods import profile, ranking
from doldrum.cleansing.methods.by_class import by_class
from doldrum.confined import matching
from doldrum.confined.class_order import check_class_order
from doldrum.confined.job import Tell
from doldrum.confined.material import Material, left_out, listed, read_material, same_images
from doldrum.confined.on_clean import labels_of
from doldrum.confined.scanning import detecting, scan
from doldrum.confined.scanning.plan import Task
from doldrum.confined.scanning.rows import read_rows
from doldrum.data import ImageSet, read_array
from doldrum.detectors import SmoothnessProfile
from doldrum.detectors.profile.ranking import ROUNDS
from doldrum.errors import ClassifierError, InputError
from doldrum.files import write_text_whole, write_whole
from doldrum.opening.inside import open_suspect
from doldrum.opening.settings import notes_in_flags
from doldrum.records.audit import MOST_SKIPPED
from doldrum.suspects import Suspect

__all__ = ["CARRIED", "COLUMNS", "KEPT", "work"]

COLUMNS, KEPT = "columns.json", "kept.npz"
"""The files that the process writes to its folder: the columns of samples.parquet as lists, and the samples to keep."""
_LOOK = 1000  # samples that show whether the classes are in the model's order
CARRIED = ("poisoned", "cover", "original_labels")
"""Arrays that `doldrum poison` writes besides images and labels, one entry per sample.

A cleansing copies these arrays to the cleansed set, and does not use them otherwise.
"""


def work(job: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Do a cleansing's work. `job` holds `settings` (from CleansingSettings.to_dict), `work` (a folder) and `seed`.

    An interrupted job can be continued: the folder keeps the verdicts based on activations, the finished detector, and
    scanned batches.
    """
    settings, folder, seed = job["settings"], Path(job["work"]), int(job["seed"])
    tell({"stage": "model"})
    opened = open_suspect(settings)
    clean = None
    if settings["clean"] is not None:  # first: they are few, and where they won't do the training set needn't be read
        clean = read_material(settings["clean"], "clean", folder, opened, settings, tell)
        profile.check_clean(clean.images, settings["fpr"])
        for text in left_out(clean):
            tell({"say": text})
    material = read_material(settings["images"], "images", folder, opened, settings, tell, called="training set")
    same_images(folder, material, clean)
    labels, how = _labels(material, opened)
    data = ImageSet(material.images.images, labels=labels, ids=material.images.ids)
    trusted = None if clean is None else clean.images
    profile.check_enough(data, trusted, settings["fpr"])
    _check_order(opened, material, data, labels, how)
    tell({"say": f"{len(data):,} samples; {how}"})
    task = Task(opened=opened, folder=folder, seed=seed, tell=tell)
    verdicts, refused = _by_class(opened, data, folder, settings["rate"], tell)
    if settings["method"] in refused:
        raise ClassifierError(f"--method {settings['method']}: {refused[settings['method']]}")
    predicted, verdicts["profile"] = _profile(task, data, trusted, fpr=settings["fpr"], rate=settings["rate"])
    found = Cleansing(data.ids, labels, predicted, {m: verdicts[m] for m in METHODS if m in verdicts}, refused)
    drop = found.drop(settings["method"])
    if drop.all():
        raise InputError(
            f"expected some samples to keep, got all {len(drop)} samples on the list to drop; lower --fpr or --rate, with another --out"
        )
    _write_kept(folder / KEPT, settings["images"], material, labels, ~drop)
    _write_columns(folder / COLUMNS, found)
    details = {k: v for k, v in found.verdicts["profile"].details.items() if k != "p_values"}
    return {
        "model": {
            "format": opened.format,
            "num_classes": opened.classifier.num_classes,
            "notes": notes_in_flags(opened.notes),
        },
        "class_names": opened.class_names and list(opened.class_names),
        "samples": len(data),
        **listed(material.skipped, most=MOST_SKIPPED),
        "suspicious": found.suspicious,
        "promise": details if found.promised else None,
        "ranking": None if found.promised else {k: details[k] for k in ("rounds", "in_every_round")},
        "methods": {m: {"rule": v.rule, "classes": v.details.get("classes")} for m, v in found.verdicts.items()},
        "refused": dict(refused),
    }


def _labels(material: Material, opened: Suspect) -> tuple[NDArray[np.int64], str]:
    """The class number of each sample, and how the class numbers were found."""
    without = [i for i, label in zip(material.images.ids, material.labels, strict=True) if label is None]
    if len(without) == len(material.labels):
        raise InputError("expected a training set with labels, got none; a folder needs one folder per class")
    if without:
        raise InputError(
            f"expected a label for each sample, got {len(without):,} without a label; the first is {without[0]}"
        )
    labels, how = matching.numbers_of(material, opened)
    if labels is None:
        some = ", ".join(sorted({str(label) for label in material.labels})[:5])
        raise InputError(
            f"expected labels that are the model's {opened.classifier.num_classes} classes, got {some}: {how}; is this training set for another "
            "model? --labels names the classes"
        )
    return labels, how


def _check_order(opened: Suspect, material: Material, data: ImageSet, labels: NDArray[np.int64], how: str) -> None:
    """Raise InputError if some of the samples show that the labels and the model have different orders of classes."""
    some = np.unique(np.linspace(0, len(data) - 1, min(len(data), _LOOK)).astype(np.int64))
    predicted = labels_of(opened.classifier, data.take(some))
    names = [material.labels[i] for i in some]
    check_class_order(predicted, labels[some], opened.classifier.num_classes, how=how, names=names)


def _by_class(
    opened: Suspect, data: ImageSet, folder: Path, rate: float, tell: Tell
) -> tuple[dict[str, Verdict], dict[str, str]]:
    """The verdicts of spectral signatures and activation clustering, or the reason why there are none.

    The verdicts are computed once, and kept in a file for a continued run.
    """
    path = folder / "classes.json"
    if not path.exists():
        tell({"stage": "classes"})
        others = [m for m in METHODS if m != "profile"]
        try:
            made = by_class(opened.classifier, data, others, rate=rate)
            kept: Any = {m: [v.scores.tolist(), v.drop.tolist(), v.rule, dict(v.details)] for m, v in made.items()}
        except ClassifierError as error:
            kept = {"refused": dict.fromkeys(others, str(error))}
        write_text_whole(path, json.dumps(kept))
    found = json.loads(path.read_text(encoding="utf-8"))
    refused = found.pop("refused", {})
    return {
        m: Verdict(m, np.array(scores, dtype=np.float64), np.array(drop, dtype=bool), rule, details)
        for m, (scores, drop, rule, details) in found.items()
    }, refused


def _profile(
    task: Task, data: ImageSet, clean: ImageSet | None, *, fpr: float, rate: float
) -> tuple[NDArray[np.int16], Verdict]:
    """The predicted labels and the profile's verdict, computed from rows that are saved batch by batch."""

    def read(detector: SmoothnessProfile, place: Path) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
        rows = read_rows(
            place,
            count=len(data),
            num_classes=task.opened.classifier.num_classes,
            conditions=scan.conditions(detector),
            ranking=clean is None,
        )
        return rows.labels.astype(np.int16), np.where(rows.scores >= scan.MOST_SCORE, np.inf, rows.scores)

    if clean is not None:
        detector, _ = detecting.promised(task, data, profile.split_clean(clean), fpr=fpr)
        predicted, scores = read(detector, task.folder)
        return predicted, profile.against_clean(detector, data, predicted, scores)
    rounds: list[NDArray[np.float64]] = []
    predicted = np.zeros(0, dtype=np.int16)
    for _ in range(ROUNDS):
        predicted, scores = read(*detecting.ranking_round(task, data, rounds))
        rounds.append(scores)
    return predicted, ranking.verdict_of(rounds, rate=rate)


def _write_columns(path: Path, found: Cleansing) -> None:
    columns = {name: values.tolist() for name, values in found.to_frame().items() if name != "row"}
    for name in columns:
        if str(name).endswith("_score"):
            columns[name] = np.clip(columns[name], -scan.MOST_SCORE, scan.MOST_SCORE).tolist()
    write_text_whole(path, json.dumps(columns, allow_nan=False))


def _write_kept(
    path: Path, source: str, material: Material, labels: NDArray[np.int64], keep: NDArray[np.bool_]
) -> None:
    """Write the samples to keep as .npz.

    If the training set is an .npz file, the arrays of this file are written. For other formats, the images are written
    in the form that the model takes.
    """
    images, more = material.images.images, {}
    rows = np.flatnonzero(keep)
    if material.kind == "npz":
        own = np.array([int(i) for i in material.images.ids])[rows]  # images that were skipped have no row
        images, rows, more = read_array(source).images, own, _carried(source, own)
    arrays = {"images": images[rows], "labels": labels[keep], **more}

    def write(draft: Path) -> None:
        with draft.open("wb") as file:  # given a name, NumPy would add .npz to it
            np.savez_compressed(file, **arrays)

    write_whole(path, write)


def _carried(source: str, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Return the arrays that `doldrum poison` wrote besides images and labels, with only the rows of the samples to
    keep."""
    found: dict[str, Any] = {}
    with np.load(source, allow_pickle=False) as arrays:
        if "attack" not in arrays.files or (attack := arrays["attack"]).dtype.kind != "U" or attack.ndim:
            return found
        found["attack"] = attack
        count = len(arrays["labels"]) if "labels" in arrays.files else -1
        for name in CARRIED:
            if name in arrays.files and (values := arrays[name]).shape == (count,):
                found[name] = values[rows]
    return found
