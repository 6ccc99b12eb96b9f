"""Outside of the confined process: the trigger in the folder of an inspection, which may be somebody else's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doldrum.confined.trigger import read_trigger
from doldrum.errors import InputError
from doldrum.opening.files import digest_of
from doldrum.records.inspection import InspectionRecord

__all__ = ["Inspected", "read_inspected"]

_OF_AN_AUDIT = "inspection"  # the folder in an audit's that has the inspection of its model


@dataclass(frozen=True)
class Inspected:
    """The trigger of an inspection as a dictionary, its route, who found it, what was read there, the seed, and the word of the verdict."""

    source: int | None
    target: int | None
    inspector: str
    value: float | None
    seed: int
    trigger: dict[str, Any]
    verdict: str


def read_inspected(folder: str | Path, *, model: Path) -> Inspected:
    """Read the record and the trigger in `folder`; InputError for another folder, an inspection without a trigger, or one of another model."""
    place = Path(folder)
    if (inside := place / _OF_AN_AUDIT / "record.json").is_file():
        raise InputError(
            f"expected inspection= as the folder of an inspection, got that of an audit; name the inspection in it, {inside.parent}"
        )
    if not (place / "record.json").is_file():
        raise InputError(
            f"expected inspection= as the folder of a finished inspection, got {place}, which has no record.json; doldrum inspect makes one"
        )
    record = InspectionRecord.load(place / "record.json")
    if record.finding is None or not (place / "trigger.json").is_file():
        raise InputError(
            f"expected an inspection that found a trigger, got {place}, which has none; leave inspection= out, or inspect with other inspectors"
        )
    if record.model["sha256"] != digest_of(model):
        raise InputError(
            f"expected the inspection of this model, got {place}, which is of another one; inspect {model.name} first"
        )
    try:
        trigger = read_trigger(place / "trigger.json")
    except (ValueError, OSError) as error:
        raise InputError(
            f"expected a trigger in {place / 'trigger.json'}, got {error}; inspect the model again"
        ) from error
    finding = record.finding
    route, name = (finding["source"], finding["target"]), finding["inspector"]
    values = [
        row[2] for one in record.inspectors if one["name"] == name for row in one["values"] if tuple(row[:2]) == route
    ]
    return Inspected(
        *route, name, values[0] if values else None, record.seed, trigger.to_dict(), record.verdict["word"]
    )
