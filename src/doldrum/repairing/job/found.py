"""Reads a trigger from the folder of an inspection or an explanation, outside of the confined process.

The folder may come from somebody else, so the content of the folder is checked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doldrum.confined.trigger import TRIGGER, read_trigger
from doldrum.errors import InputError
from doldrum.inspectors import Route
from doldrum.opening.files import digest_of
from doldrum.records.explanations import ExplanationRecord
from doldrum.records.inspection import InspectionRecord
from doldrum.repairing.contract import clears

__all__ = ["Found", "read_explanation", "read_inspection"]

_OF_AN_AUDIT = {"inspection": "inspection", "explanation": "explanations"}  # the folders in an audit's
_RECORDS = {"InspectionRecord": "inspection", "ExplanationRecord": "explanation", "AuditRecord": "audit"}
_MAKES = {"inspection": "doldrum inspect", "explanation": "doldrum explain"}
_OTHERS = {
    "inspection": {"explanation": "an explanation; give this folder as explanation=", "audit": "an audit without one"},
    "explanation": {"inspection": "an inspection; give this folder as inspection=", "audit": "an audit without one"},
}


@dataclass(frozen=True)
class Found:
    """A trigger that was found (as a dictionary), its route, and facts about how the trigger was found.

    If an inspection found the trigger, `inspector` is the inspector's name, and `value` is the inspector's result for
    this route. `seed` is the inspection's seed, `images` is the SHA-256 of its clean images, and `verdict` is its
    verdict in one word. `cleared` says whether the inspection compared the model with clean reference models, and found
    no sign of a backdoor. If an explanation found the trigger, `inspector` is None, and `searched` holds the digests of
    the clean images that its search used.
    """

    source: int | None
    target: int | None
    trigger: dict[str, Any]
    inspector: str | None = None
    value: float | None = None
    seed: int | None = None
    images: str | None = None
    verdict: str = ""
    cleared: bool = False
    searched: tuple[str, ...] = ()


def read_inspection(folder: str | Path, *, model: Path) -> Found:
    """Read the record and the trigger of the inspection in `folder`.

    Raises InputError if the folder is not from an inspection, or if the inspection found no trigger or examined another
    model.
    """
    place = _folder(folder, "inspection")
    record = InspectionRecord.load(place / "record.json")
    if record.finding is None or not (place / TRIGGER).is_file():
        raise InputError(
            f"expected an inspection that found a trigger, got {place}, which has none; leave inspection= out, or inspect with other inspectors"
        )
    _check_model(record.model["sha256"], place, model, "inspection", f"inspect {model.name} first")
    finding = record.finding
    route, name = (finding["source"], finding["target"]), finding["inspector"]
    values = [
        row[2] for one in record.inspectors if one["name"] == name for row in one["values"] if tuple(row[:2]) == route
    ]
    return Found(
        *route,
        _trigger(place, "inspect the model again"),
        inspector=name,
        value=values[0] if values else None,
        seed=record.seed,
        images=record.clean["sha256"],
        verdict=record.verdict["word"],
        cleared=clears(record.verdict["word"], references=record.references is not None),
    )


def read_explanation(folder: str | Path, *, model: Path) -> Found:
    """Read the record and the best trigger of the explanation in `folder`.

    Raises InputError if the folder is not from an explanation, or if the explanation proved no trigger or was made with
    another model.
    """
    place = _folder(folder, "explanation")
    record = ExplanationRecord.load(place / "record.json")
    best = record.explanations.best
    if best is None:
        raise InputError(
            f"expected an explanation that proved a trigger, got the explanation in {place}, which proved no trigger; leave explanation= out, or inspect the model"
        )
    _check_model(record.model.get("sha256"), place, model, "explanation", f"explain images by {model.name} first")
    if not (place / TRIGGER).is_file():
        raise InputError(
            f"expected the file {TRIGGER} in the folder {place}, got no such file; explain the images again"
        )
    route = Route(best.scope, best.label)
    return Found(route.source, route.target, _trigger(place, "explain the images again"), searched=best.searched)


def _folder(folder: str | Path, kind: str) -> Path:
    """The folder as a path.

    Raises InputError unless the folder holds a finished job of the kind `kind`. The error says what the folder holds.
    """
    place, wanted = Path(folder), f"expected {kind}= as the folder of a finished {kind}"
    if (inside := place / _OF_AN_AUDIT[kind] / "record.json").is_file():
        raise InputError(f"{wanted}, got the folder of an audit; use the {kind} in this folder: {inside.parent}")
    if (what := _OTHERS[kind].get(_kind_of(place))) is not None:
        do = "" if ";" in what else f"; {_MAKES[kind]} makes one"
        raise InputError(f"{wanted}, got {place}, which is the folder of {what}{do}")
    if not (place / "record.json").is_file():
        began = (place / f"{kind}.json").is_file()
        why = (
            "belongs to a job that is not finished; run the job's command again"
            if began
            else f"has no record.json; {_MAKES[kind]} makes one"
        )
        raise InputError(f"{wanted}, got {place}, which {why}")
    return place


def _kind_of(place: Path) -> str:
    """Return the kind of the job that wrote a folder, or "" if the kind is unknown.

    The first file that a job writes shows the kind of the job. For a folder inside an audit's folder, the file
    record.json shows the kind.
    """
    for kind in _RECORDS.values():
        if (place / f"{kind}.json").is_file():
            return kind
    try:
        return _RECORDS.get(json.loads((place / "record.json").read_text(encoding="utf-8"))["record"], "")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def _check_model(found: Any, place: Path, model: Path, kind: str, do: str) -> None:
    if found != digest_of(model):
        raise InputError(f"expected the {kind} of this model, got {place}, which belongs to another model; {do}")


def _trigger(place: Path, do: str) -> dict[str, Any]:
    try:
        return read_trigger(place / TRIGGER).to_dict()
    except (ValueError, OSError) as error:
        raise InputError(f"expected a trigger in {place / TRIGGER}, got {error}; {do}") from error
