"""Checks the results of an inspection outside of the confined process, before they are used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from doldrum.confined.facts import lines, names_of, whole
from doldrum.intake import visible
from doldrum.records.inspection import WORDS

__all__ = ["InspectionFacts", "checked_examination"]

_MOST_READINGS, _MOST_ROUTES = 100, 200_000


@dataclass(frozen=True, kw_only=True)
class InspectionFacts:
    """The results of the confined process, after these checks: counts are whole numbers, and texts are safe to print.

    The record stores `model`, `clean`, `finding` and `success` unchanged. The record itself checks the values that this
    class does not check.
    """

    model: Mapping[str, Any]
    shape: tuple[int, int, int]
    clean: Mapping[str, Any]
    doubts: list[str]
    remarks: list[str]
    word: str
    finding: Mapping[str, Any] | None
    success: Mapping[str, Any] | None
    readings: list[dict[str, Any]]
    deviations: Mapping[tuple[str, Any, Any], float]
    bands: Mapping[str, list[float]]

    @classmethod
    def checked(cls, found: Mapping[str, Any]) -> InspectionFacts:
        """Check the results of the confined process, and return them as InspectionFacts. Raises ValueError, KeyError or
        TypeError if the results do not have the expected form.
        """
        model, clean, finding = found["model"], found["clean"], found["finding"]
        channels, height, width = model["input_shape"]
        shape = (whole(channels), whole(height), whole(width))
        classes = whole(model["num_classes"])
        if found["verdict"] not in WORDS:
            raise ValueError(f"an unknown verdict, {found['verdict']!r}")
        return cls(
            model={
                "format": model["format"],
                "input_shape": list(shape),
                "num_classes": classes,
                "preprocessing": model["preprocessing"],
                "class_names": names_of(model["class_names"], most=100),
                "notes": lines(model["notes"]),
            },
            shape=shape,
            clean={name: clean[name] for name in ("images", "sha256", "search", "test", "accuracy", "claimed")},
            doubts=lines(found["doubts"]),
            remarks=lines(found["remarks"]),
            word=found["verdict"],
            finding=None if finding is None else dict(finding),
            success=None if found["success"] is None else dict(found["success"]),
            readings=checked_examination(found["examination"])["readings"],
            deviations={
                (str(n), s, t): _finite(z) for n, s, t, z in found["deviations"][: _MOST_READINGS * _MOST_ROUTES]
            },
            bands={str(name): [_finite(low), _finite(high)] for name, (low, high) in found["bands"].items()},
        )


def checked_examination(found: Mapping[str, Any]) -> dict[str, Any]:
    """Check an Examination that a confined process returned as JSON, and return the checked values.

    In the checked values, numbers are finite or null, class numbers are below the model's number of classes, and texts
    are safe to print.
    """
    classes = whole(found["num_classes"], least=2)
    readings = list(found["readings"])
    if len(readings) > _MOST_READINGS:
        raise ValueError(f"{len(readings)} readings")
    return {
        "fingerprint": visible(str(found["fingerprint"]), most=300),
        "num_classes": classes,
        "key": visible(str(found["key"]), most=4000),
        "readings": [_reading(one, classes) for one in readings],
    }


def _reading(one: Mapping[str, Any], classes: int) -> dict[str, Any]:
    values = list(one["values"])
    if len(values) > _MOST_ROUTES:
        raise ValueError(f"{len(values)} routes")
    return {
        "inspector": visible(str(one["inspector"]), most=100),
        "seconds": max(0.0, _finite(one["seconds"])),
        "refused": visible(str(one["refused"]), most=1000),
        "values": [[_class(s, classes), _class(t, classes), None if v is None else _finite(v)] for s, t, v in values],
    }


def _class(value: Any, classes: int) -> int | None:
    if value is None:
        return None
    if whole(value, least=0) >= classes:
        raise ValueError(f"class {value} of {classes}")
    return value


def _finite(value: Any) -> float:
    found = float(value)
    if isinstance(value, (bool, str)) or not math.isfinite(found):
        raise ValueError(f"expected a number, got {value!r}")
    return found
