"""Writes an inspection's record, trigger and pictures from the results of the confined process.

The code in this file runs outside of the confined process.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import doldrum
from doldrum.confined.job import Begun
from doldrum.confined.trigger import TRIGGER, keep_trigger
from doldrum.inspecting.facts import InspectionFacts
from doldrum.inspecting.pictures import PIXELS, encode_pictures
from doldrum.inspecting.settings import InspectSettings
from doldrum.inspecting.verdict import told
from doldrum.intake import visible
from doldrum.records.inspection import InspectionRecord

__all__ = ["PICTURES", "RECORD", "write_record"]

RECORD, PICTURES = "record.json", "pictures"


def write_record(settings: InspectSettings, found: dict[str, Any], begun: Begun, *, count: int) -> InspectionRecord:
    """Check the confined process's results and files, then write trigger.json, pictures/ and, last, record.json.

    `count` is the number of reference models.
    """
    facts = InspectionFacts.checked(found)
    references = (
        None if not count else {"source": visible(settings.references or ""), "count": count, "fpr": settings.fpr}
    )
    trigger = _trigger(facts, begun)
    record = InspectionRecord(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        doldrum=doldrum.__version__,
        command=visible(settings.command(), most=4000),
        seed=begun.seed,
        model={
            "name": visible(settings.shown_model if settings.remote else Path(settings.model).name or settings.model),
            "sha256": begun.model_sha256,
            **facts.model,
        },
        clean={"source": visible(settings.clean), **facts.clean},
        references=references,
        finding=facts.finding,
        success=facts.success,
        trigger=trigger,
        inspectors=tuple(_inspector(one, facts) for one in facts.readings),
        verdict=told(facts, references, shown=trigger is not None),
    )
    record.save(begun.out / RECORD)
    return record


def _trigger(facts: InspectionFacts, begun: Begun) -> dict[str, Any] | None:
    """Check the trigger by putting it on an image, and write its file and pictures.

    Return the facts about the trigger that the record stores.
    """
    if not (begun.work / TRIGGER).is_file() or facts.finding is None:
        return None
    trigger = keep_trigger(begun.work, begun.out, shape=facts.shape)
    shown = encode_pictures(
        begun.work / PIXELS, begun.out / PICTURES, shape=facts.shape, classes=facts.model["num_classes"]
    )
    return {"kind": trigger.name, **shown}


def _inspector(reading: Mapping[str, Any], facts: InspectionFacts) -> dict[str, Any]:
    from doldrum.inspectors.kinds import INSPECTORS

    name = reading["inspector"]
    kind = INSPECTORS.get(name)
    if kind is None:
        raise ValueError(f"an unknown inspector {name!r}")
    return {
        "name": name,
        "title": kind.title,
        "needs": kind.needs,
        "seconds": reading["seconds"],
        "refused": reading["refused"],
        "values": [[s, t, v, facts.deviations.get((name, s, t))] for s, t, v in reading["values"]],
        "band": facts.bands.get(name),
    }
