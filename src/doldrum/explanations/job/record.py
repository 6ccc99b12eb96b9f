"""Writes an explanation's record and pictures, outside of the confined process.

All values from the confined process are checked before they are written.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import doldrum
from doldrum.confined.facts import lines, names_of, skipped, whole
from doldrum.confined.job import Begun
from doldrum.confined.trigger import keep_trigger
from doldrum.explanations.job.pixels import encode_shown
from doldrum.explanations.job.settings import ExplanationSettings
from doldrum.intake import visible
from doldrum.records.explanations import Explanation, ExplanationRecord, Explanations

__all__ = ["RECORD", "checked", "write_record"]

RECORD = "record.json"


def write_record(settings: ExplanationSettings, found: dict[str, Any], begun: Begun) -> ExplanationRecord:
    """Check the results and files of the confined process, then write pictures/, trigger.json and, last, record.json.

    trigger.json is written only if a trigger is proven.
    """
    model = found["model"]
    channels, height, width = (whole(side) for side in model["input_shape"])
    classes = whole(model["num_classes"])
    explanations = checked(found["explanations"], classes=classes)
    encode_shown(begun.work, begun.out / "pictures", count=len(explanations.explained), shape=(channels, height, width))
    if explanations.best is not None:
        keep_trigger(begun.work, begun.out, shape=(channels, height, width))
    record = ExplanationRecord(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        doldrum=doldrum.__version__,
        command=visible(settings.command(begun.seed), most=4000),
        model={
            "name": visible(settings.shown_model if settings.remote else Path(settings.model).name or settings.model),
            "sha256": begun.model_sha256,
            "format": visible(str(model["format"])),
            "input_shape": [channels, height, width],
            "num_classes": classes,
            "class_names": names_of(model["class_names"], most=100),
            "notes": lines(model["notes"]),
        },
        clean=visible(settings.clean),
        skipped=tuple(skipped(found["images"]["skipped"])),
        unlisted=whole(found["images"]["unlisted"], least=0),
        remarks=tuple(lines(found["remarks"])),
        explanations=explanations,
    )
    record.save(begun.out / RECORD)
    return record


def checked(found: Mapping[str, Any], *, classes: int) -> Explanations:
    """Check the explanations that the confined process returned, and return the checked explanations.

    In the returned explanations, all texts are safe to print, and all class numbers are classes of the model.
    """
    made = Explanations.from_dict(found)
    return dataclasses.replace(
        made,
        explained=tuple(_checked(one, classes) for one in made.explained),
        notes=tuple(lines(made.notes)),
    )


def _checked(one: Explanation, classes: int) -> Explanation:
    labels = [one.label, one.scope or 0, *(c for row in (one.labels or {}).values() for c in row)]
    if one.shown is not None or one.trigger is not None or max(labels) >= classes:
        raise ValueError("classes that the model does not have, or pictures in place of numbers")
    return dataclasses.replace(
        one,
        image=visible(one.image),
        why=visible(one.why, most=2000),
        size=None if one.size is None else visible(one.size),
        where=None if one.where is None else {visible(k): float(v) for k, v in one.where.items()},
    )
