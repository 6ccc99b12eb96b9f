"""The work of an inspection in the confined process: open the model, run the inspectors, judge their results.

The process writes files to its work folder, and returns its results as JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.classifiers.base import Classifier
from doldrum.confined.job import Tell
from doldrum.confined.material import Material, fitted, left_out, read_material, same_images
from doldrum.confined.on_clean import on_clean
from doldrum.confined.scanning.budget import Deadline
from doldrum.confined.trigger import write_trigger
from doldrum.errors import ClassifierError, InputError
from doldrum.files import write_text_whole
from doldrum.inspecting.kept import Keeping, check_read
from doldrum.inspecting.pictures import MOST, PIXELS, shown
from doldrum.inspectors import Examination, Inspection, examine
from doldrum.inspectors.contract.subject import half_of, halves
from doldrum.inspectors.examine import inspectors_of
from doldrum.inspectors.inspect import judged
from doldrum.inspectors.judging.standard import standings
from doldrum.opening.inside import facts_of, open_suspect
from doldrum.suspects import Suspect

__all__ = ["describe_references", "examine_reference", "work"]

_FACTS = "on-clean.json"  # what it found on the clean images before it searched


@dataclass(frozen=True, eq=False)
class _Looked:
    opened: Suspect
    clean: Material
    facts: dict[str, Any]
    mine: Examination
    others: list[Examination]


def examine_reference(job: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Examine one reference model. Return the examination, and the shape of the model's images. The dict `job` holds
    the same keys as in :func:`work`."""
    looked = _look(job, tell)
    check_read(looked.mine.readings)
    return {"examination": looked.mine.to_dict(), "input_shape": list(looked.opened.classifier.input_shape)}


def describe_references(job: dict[str, Any], tell: Tell) -> list[dict[str, Any]]:
    """Open reference models, and return a dict for each model. The dict is {input_shape, num_classes, fingerprint}, or
    {why} with the reason if the model cannot be opened.

    `job["models"]` holds one ModelSettings.to_dict per model. Before a model is opened, the message {opening: NUMBER}
    is sent, where NUMBER is the model's position in this list.
    """
    found: list[dict[str, Any]] = []
    for number, one in enumerate(job["models"]):
        tell({"opening": number})
        try:
            classifier = open_suspect(one).classifier
        except (InputError, ClassifierError) as error:
            found.append({"why": str(error)})
            continue
        shape, classes = list(classifier.input_shape), classifier.num_classes
        found.append({"input_shape": shape, "num_classes": classes, "fingerprint": classifier.fingerprint})
        del classifier  # one is in memory at a time
    return found


def work(job: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Do an inspection's work. The dict `job` holds the keys `settings` (from InspectSettings.to_dict), `work` (the
    path of a folder) and `seed`.

    `settings["examined"]` is the path of the references' examinations as JSON, or None if there are no references.
    Before the references are examined, `settings` holds the key "described" (the result of `describe_references`) in
    place of "examined". With the key "described", the model is only examined, and not judged. All results are kept in
    the folder `work`, so that an interrupted run can continue.
    """
    settings, folder = job["settings"], Path(job["work"])
    looked = _look(job, tell, check=True)
    opened, clean, facts, others = looked.opened, looked.clean, looked.facts, looked.others
    check_read(looked.mine.readings)
    if "described" in settings:
        return {}
    parts = halves(clean.images, int(job["seed"]))
    tell({"stage": "test"})
    found = judged(opened.classifier, looked.mine, others, parts.test, fpr=settings["fpr"])
    _write(folder, found, opened, parts.test)
    remarks = [*facts["remarks"], *left_out(clean), *fitted(clean=clean)]
    if (queries := getattr(opened.classifier, "queries", None)) is not None:
        remarks.append(f"{queries:,} images were sent to the endpoint in this run.")
    told = found.to_dict()
    return {
        "model": facts_of(opened),
        "clean": {
            "images": len(clean.images), "sha256": clean.images.content_hash(), "search": len(parts.search), "test": len(parts.test),
        } | facts["clean"],
        "doubts": facts["doubts"],
        "remarks": remarks,
        "verdict": told["verdict"],
        "finding": None if found.where is None else {
            "inspector": told["inspector"], "source": told["source"], "target": told["target"], "score": told["score"],
            "p_value": told["p_value"], "anomaly": found.standing.p_value,
            "smaller": told["smaller"],
        },
        "success": told["success"],
        "examination": looked.mine.to_dict(),
        "deviations": [[name, r.source, r.target, z] for (name, r), z in found.standing.by_name.items() if np.isfinite(z)],
        "bands": _bands(looked.mine, others),
    }  # fmt: skip


def _look(job: dict[str, Any], tell: Tell, *, check: bool = False) -> _Looked:
    settings, folder, seed = job["settings"], Path(job["work"]), int(job["seed"])
    deadline = Deadline(settings["budget"])
    tell({"stage": "model"})
    opened = open_suspect(settings)
    others = _others(settings, opened) if check else []
    clean = read_material(settings["clean"], "clean", folder, opened, settings, tell)
    keeping, facts = Keeping(folder, tell, deadline), {}
    if check:
        same_images(folder, clean, None)
        kept = folder / _FACTS
        _check_queries(opened.classifier, len(clean.images), keeping, settings, asked=kept.exists())
        if not kept.exists():  # labels in a wrong order end it before any search
            write_text_whole(kept, json.dumps(on_clean(opened, clean, settings, tell)))
        facts = json.loads(kept.read_text(encoding="utf-8"))
    mine = examine(
        opened.classifier, clean.images, inspectors=settings["inspectors"], seed=seed, progress=False, read=keeping.read
    )
    return _Looked(opened, clean, facts, mine, others)


def _check_queries(
    classifier: Classifier, clean: int, keeping: Keeping, settings: dict[str, Any], *, asked: bool
) -> None:
    """Raise InputError, before the first query, if an endpoint's remaining queries are not enough.

    Requests that are sent again after an error need additional queries. If `asked` is true, the model's labels of the
    clean images are known from an earlier run, and need no queries.
    """
    left, half = classifier.queries_left, half_of(clean)
    if left is None:
        return
    inspectors = [one for one in inspectors_of(settings["inspectors"]) if not keeping.has(one)]
    searching = sum(one.most_queries(half) or 0 for one in inspectors)
    opened = 2 if "described" in settings else 1  # before the references are examined, and after
    accuracy = 0 if asked else clean
    needed = (
        opened * half + searching + accuracy + 3 * half + MOST
    )  # accuracy, the test of what was found, its pictures
    if needed > left:
        raise InputError(
            f"expected endpoint_queries= to leave at least {needed:,} queries, to inspect this model with {clean:,} clean images, got {left:,} queries left; raise "
            "this limit, or give fewer clean images"
        )


def _others(settings: dict[str, Any], opened: Suspect) -> list[Examination]:
    """Return the examinations of the reference models, or an empty list if there are none yet. Raises InputError for
    the same reasons as `check_alike` and `check_apart`.
    """
    mine = opened.classifier
    if "described" in settings:
        check_alike(mine, settings["described"])
        check_apart(mine, settings["described"])
        return []
    if settings["examined"] is None:
        return []
    found = json.loads(Path(settings["examined"]).read_text(encoding="utf-8"))
    described = [one | {fact: one["examination"][fact] for fact in ("num_classes", "fingerprint")} for one in found]
    check_alike(mine, described)
    check_apart(mine, described)
    return [Examination.from_dict(one["examination"]) for one in found]


def check_alike(model: Classifier, references: list[dict[str, Any]]) -> None:
    """Raise InputError if a reference has another input shape or another number of classes than the model.

    Each reference is given as a dict {name, input_shape, num_classes}. The error names the first reference that differs
    from the model.
    """
    mine = model.input_shape, model.num_classes
    others = [one for one in references if (tuple(one["input_shape"]), one["num_classes"]) != mine]
    if not others:
        return
    one, more = others[0], f" and {len(others) - 1:,} more" if len(others) > 1 else ""
    shape, classes, name = tuple(one["input_shape"]), one["num_classes"], one["name"]
    raise InputError(
        f"expected reference models with the input shape {mine[0]} and {mine[1]} classes, like the model, got {shape} and {classes} classes in "
        f"{name}{more}; take them out, or give other reference models"
    )


def check_apart(model: Classifier, references: list[dict[str, Any]]) -> None:
    """Raise InputError if a reference is the same as the model or as another reference, even in a different file.

    Each reference is given as a dict {name, fingerprint}. The error names the two equal models.
    """
    known = {model.fingerprint: "the model itself"}
    for one in references:
        if (fingerprint := one["fingerprint"]) in known:
            raise InputError(
                f"expected reference models that differ, got {one['name']}, which is equal to {known[fingerprint]}; take one of the two out"
            )
        known[fingerprint] = one["name"]


def _bands(mine: Examination, others: list[Examination]) -> dict[str, list[float]]:
    """For each inspector and each reference, find how far the most suspicious result stands out. Return the smallest
    and the largest of these numbers for each inspector."""
    if not others:
        return {}
    found: dict[str, list[float]] = {}
    _, *rest = standings([mine.readings, *(one.readings for one in others)])
    for one in rest:
        for name in {name for name, _ in one.by_name}:
            most = max(z for (inspector, _), z in one.by_name.items() if inspector == name)
            found.setdefault(name, []).append(float(most))
    return {name: [min(values), max(values)] for name, values in found.items()}


def _write(folder: Path, found: Inspection, opened: Suspect, test: Any) -> None:
    write_trigger(folder, None if found.trigger is None else found.trigger.to_dict())
    (folder / PIXELS).unlink(missing_ok=True)  # of a run that was cut off
    if found.trigger is None or found.route is None:
        return
    write_text_whole(folder / PIXELS, json.dumps(shown(opened.classifier, found.trigger, found.route, test)))
