"""The work of a repair in the confined process: open the model, read the images, repair and test.

The process writes the repaired model to its work folder, and returns its results as JSON.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.attacks import load_trigger
from doldrum.confined import matching
from doldrum.confined.class_order import check_class_order
from doldrum.confined.job import Tell
from doldrum.confined.material import Material, fitted, left_out, read_material, same_images
from doldrum.confined.on_clean import labels_of
from doldrum.confined.scanning.budget import Deadline
from doldrum.data import ImageSet
from doldrum.errors import ClassifierError, InputError
from doldrum.inspecting.kept import STEPS, Keeping
from doldrum.inspectors import Inspector, Reading, Route, Subject
from doldrum.inspectors.contract.subject import answers
from doldrum.opening.inside import facts_of, open_suspect
from doldrum.pixels import to_float
from doldrum.repairing import Recovered, repair
from doldrum.repairing.job.written import check_format, write_model
from doldrum.repairing.repair import method_of
from doldrum.suspects import Suspect

__all__ = ["work"]

_AGREE = 0.98  # of the labels that the file, opened again, has to give as the model in memory does


def work(job: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Do a repair's work.

    The dict `job` holds the keys `settings` (RepairSettings.to_dict with `recovered`), `work` (the path of a folder)
    and `seed`.
    """
    settings, folder, seed = job["settings"], Path(job["work"]), int(job["seed"])
    tell({"stage": "model"})
    opened = open_suspect(settings)
    target = folder / f"repaired{Path(settings['repaired']).suffix}"
    check_format(opened, target)
    clean = read_material(settings["clean"], "clean", folder, opened, settings, tell)
    same_images(folder, clean, None)
    labels, how = _labels(clean, opened)
    tell({"say": f"{len(clean.images):,} clean images; {how}"})
    data = ImageSet(clean.images.images, labels=labels, ids=clean.images.ids)
    if labels is not None:
        check_class_order(
            labels_of(opened.classifier, data), labels, opened.classifier.num_classes, how=how, names=clean.labels
        )
    keeping = Keeping(folder, tell, Deadline(None))

    def read(inspector: Inspector, subject: Subject) -> Reading:
        tell({"stage": "again", "total": STEPS})
        return keeping.read(inspector, subject)

    tell({"stage": "repair"})
    recovered = _recovered(settings["recovered"])
    others = _other_search(settings["recovered"], seed, clean.images)
    for remark in others:
        tell({"say": f"note: {remark}"})
    method = method_of(settings["method"], recovered=recovered, labelled=labels is not None)
    found = repair(
        opened.classifier,
        data,
        inspection=recovered,
        method=method,
        seed=seed,
        folder=folder,
        read=read,
        progress=False,
    )
    write_model(opened, found.classifier, Path(settings["model"]), target)
    _check_written(settings, target, found.classifier, data)
    told = found.to_dict()
    return {
        "model": facts_of(opened),
        "method": {"name": method.name, "settings": found.method},
        "clean": {"images": len(data), "fit": found.fit, "test": found.test, "labels": found.labels},
        "remarks": [*others, how[0].upper() + how[1:] + ".", *left_out(clean), *fitted(clean=clean)],
        **{name: told[name] for name in ("accuracy", "agreement", "success", "larger", "seconds")},
        "word": found.verdict,
    }


def _labels(clean: Material, opened: Suspect) -> tuple[NDArray[np.int64] | None, str]:
    """The images' class numbers, or None if they have no labels, and a sentence about them."""
    without = [i for i, label in zip(clean.images.ids, clean.labels, strict=True) if label is None]
    if len(without) == len(clean.labels):
        return None, "the images have no labels, so the labels that the model predicts are used"
    if without:
        raise InputError(
            f"expected a label for each clean image or for none, got {len(without):,} images without a label, the first of which is {without[0]}; label these images, or take them out"
        )
    labels, how = matching.numbers_of(clean, opened)
    if labels is None:
        raise InputError(
            f"expected labels that are the model's classes, got labels that are no classes of the model: {how}; pass labels=, or put the images into one folder without labels"
        )
    return labels, how


def _recovered(found: dict[str, Any] | None) -> Recovered | None:
    if found is None:
        return None
    route = Route(found["source"], found["target"])
    return Recovered(
        route, load_trigger(found["trigger"]), found["inspector"] or "", found["value"], frozenset(found["searched"]),
        cleared=found["cleared"],
    )  # fmt: skip


def _other_search(found: dict[str, Any] | None, seed: int, clean: ImageSet) -> list[str]:
    """Return a remark for the report if the inspection's search may have used some of the held-back images. An
    explanation records which images its search used, and these images are never held back.
    """
    if found is None or found["inspector"] is None:
        return []
    others = ["other clean images"] if found["images"] not in (None, clean.content_hash()) else []
    others += ["another seed"] if found["seed"] != seed else []
    if not others:
        return []
    return [
        f"Compared with this repair, the inspection used {' and '.join(others)}. So the inspection's search may have used some of the images on which this repair was tested."
    ]


def _check_written(settings: dict[str, Any], target: Path, repaired: Any, data: ImageSet) -> None:
    """Raise ClassifierError unless the written file gives the same labels as the repaired model in memory."""
    again = open_suspect({**settings, "model": str(target)}).classifier
    images = to_float(data.images)
    same = float((answers(again, images) == answers(repaired, images)).mean())
    if same < _AGREE:
        raise ClassifierError(
            f"expected a written file that predicts the same labels as the repaired model, got a file that agrees on only {same:.1%} of the clean images; report this as a bug"
        )
