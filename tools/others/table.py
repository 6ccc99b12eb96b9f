"""The records as a table in Markdown."""

from __future__ import annotations

from typing import Any

__all__ = ["of"]

_COLUMNS = (
    "model", "package", "format", "input", "classes", "labels alike", "classes seen", "W", "accuracy", "scanned", "flagged", "expected",
    "limit", "squares", "exit",
)  # fmt: skip


def of(records: list[dict[str, Any]]) -> str:
    """One row a model; a dash where a step was not done, and the reason below the table where one was refused.

    >>> print(of([{"name": "a", "package": "p==1", "opened": {"error": "refused"}}]).splitlines()[-1])
    - a: opened: refused
    """
    lines = ["| " + " | ".join(_COLUMNS) + " |", "| " + " | ".join("---" for _ in _COLUMNS) + " |"]
    lines += ["| " + " | ".join(_row(record)) + " |" for record in records]
    said = [
        f"- {record['name']}: {step}: {text}"
        for record in records
        for step in ("answered", "opened", "compared", "measured", "audited")
        if (text := record.get(step, {}).get("error") or record.get(step, {}).get("said"))
    ]
    return "\n".join([*lines, *([""] if said else []), *said])


def _row(record: dict[str, Any]) -> list[str]:
    looked, own, same, measured, audit = (
        record.get(s, {}) for s in ("opened", "answered", "compared", "measured", "audited")
    )
    shape = looked.get("input_shape")
    cells = (
        record["name"], record["package"], looked.get("format"), " x ".join(map(str, shape)) if shape else None, looked.get("num_classes"),
        f"{same['alike']} of {same['images']}" if "alike" in same else None, own.get("classes_seen"), measured.get("W"),
        audit.get("accuracy"), audit.get("scanned"), audit.get("flagged"), audit.get("expected"), audit.get("limit"),
        audit.get("squares"), audit.get("exit"),
    )  # fmt: skip
    return ["–" if cell is None else str(cell) for cell in cells]
