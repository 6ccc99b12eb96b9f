"""Outside of the confined process: an inspection's record, trigger and pictures, out of the facts that come back."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import doldrum
from doldrum.confined.job import Begun
from doldrum.errors import InputError
from doldrum.files import write_text_whole
from doldrum.inspecting.facts import InspectionFacts
from doldrum.inspecting.pictures import PIXELS, encode_pictures
from doldrum.inspecting.settings import InspectSettings
from doldrum.inspecting.verdict import told
from doldrum.intake import visible
from doldrum.records.inspection import InspectionRecord
from doldrum.triggers.base import trigger_from_dict

__all__ = ["PICTURES", "RECORD", "TRIGGER", "write_record"]

RECORD, TRIGGER, PICTURES = "record.json", "trigger.json", "pictures"
_MOST_TRIGGER = 1 << 28


def write_record(settings: InspectSettings, found: dict[str, Any], begun: Begun, *, count: int) -> InspectionRecord:
    """Check the facts, the trigger and the pixels that the confined process left; leave trigger.json, pictures/ and, last, record.json.

    `count` is the number of references.
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
    """The trigger, after it was put on an image here; its file and its pictures are written."""
    source = begun.work / TRIGGER
    if not source.is_file() or facts.finding is None:
        return None
    if source.is_symlink() or source.stat().st_size > _MOST_TRIGGER:
        raise ValueError("no trigger, or one that is too large")
    found = json.loads(source.read_text(encoding="utf-8"))
    if not _is_plain(found):
        raise ValueError("a trigger that is not made of arrays and numbers")
    try:
        trigger = trigger_from_dict(found)
        trigger(np.zeros((1, *facts.shape), dtype=np.float32))
    except InputError as error:
        raise ValueError(f"no trigger for such images: {error}") from error
    shown = encode_pictures(
        begun.work / PIXELS, begun.out / PICTURES, shape=facts.shape, classes=facts.model["num_classes"]
    )
    write_text_whole(begun.out / TRIGGER, json.dumps(trigger.to_dict()))
    return {"kind": trigger.name, **shown}


def _is_plain(found: Any) -> bool:
    """Whether a trigger's settings are arrays, whose size is that of their text, and small numbers: none can ask for much."""
    if not isinstance(found, dict) or set(found) != {"name", "settings"} or not isinstance(found["settings"], dict):
        return False
    return all(_is_small(name, value) for name, value in found["settings"].items())


def _is_small(name: str, value: Any) -> bool:
    if isinstance(value, Mapping):
        return set(value) == {"array", "dtype", "shape"}
    if isinstance(value, int) and name.endswith("seed"):
        return 0 <= value < 1 << 63
    return value is None or (isinstance(value, (bool, int, float)) and abs(value) <= 1e4)


def _inspector(reading: Mapping[str, Any], facts: InspectionFacts) -> dict[str, Any]:
    from doldrum.inspectors.kinds import INSPECTORS

    name = reading["inspector"]
    kind = INSPECTORS.get(name)
    if kind is None:
        raise ValueError(f"an inspector {name!r} that there is not")
    return {
        "name": name,
        "title": kind.title,
        "needs": kind.needs,
        "seconds": reading["seconds"],
        "refused": reading["refused"],
        "values": [[s, t, v, facts.deviations.get((name, s, t))] for s, t, v in reading["values"]],
        "band": facts.bands.get(name),
    }
