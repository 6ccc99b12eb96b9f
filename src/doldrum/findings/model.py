"""Findings about a model, from the record of an inspection."""

from __future__ import annotations

from typing import Any

from doldrum.findings.finding import Check, Finding, Findings, Level
from doldrum.findings.places import Place, uri_of
from doldrum.findings.rules import BACKDOOR, SUSPICIOUS
from doldrum.records.inspection import InspectionRecord

__all__ = ["model_check", "of_inspection"]

_RULES: dict[str, tuple[str, Level]] = {"backdoor shown": (BACKDOOR, "error"), "suspicious": (SUSPICIOUS, "warning")}


def of_inspection(record: InspectionRecord, *, model: str) -> Findings:
    """The findings of an inspection of the model at the path `model`: one finding if the verdict is "suspicious" or "backdoor shown", else none."""
    return Findings(
        command="inspect",
        exit_code=record.verdict["exit_code"],
        checks=(model_check(record, model=model),),
        created=record.created,
        doldrum=record.doldrum,
        line=record.command,
    )


def model_check(record: InspectionRecord, *, model: str) -> Check:
    """The check whether the model is backdoored, with its result."""
    verdict, place = record.verdict, Place(uri_of(model))
    figures = _figures(record)
    rule = _RULES.get(verdict["word"])
    found = ()
    if rule is not None:
        message = " ".join([f"{verdict['heading']}.", *verdict["sentences"]])
        found = (Finding(rule=rule[0], level=rule[1], message=message, place=place, properties=figures),)
    return Check(
        name="model",
        outcome="failed" if rule is not None else "skipped" if verdict["word"] == "no conclusion" else "passed",
        heading=verdict["heading"],
        sentences=tuple(verdict["sentences"]),
        place=place,
        findings=found,
        properties={"verdict": verdict["word"], "sha256": record.model["sha256"], **figures},
    )


def _figures(record: InspectionRecord) -> dict[str, Any]:
    """Return the numbers of an inspection's finding, with the pair (source class, target class) that stands out most.
    Values that are None are left out."""
    found: dict[str, Any] = {} if record.finding is None else dict(record.finding)
    if record.success is not None:
        found |= {f"success_{name}": record.success[name] for name in ("value", "lower", "upper", "n")}
    if record.references is not None:
        found |= {"references": record.references["count"], "fpr": record.references["fpr"]}
    return {name: value for name, value in found.items() if value is not None}
