"""What docs/results/others.md shows: packages and what is typed, and the records, as tables in Markdown."""

from __future__ import annotations

from typing import Any

from others.base import Other, words

__all__ = ["into", "of", "sources"]

MARKS = ("<!-- {}: written by tools/audit-others -->", "<!-- end of {} -->")

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


def sources(every: dict[str, Other]) -> str:
    """One row a model: where it is from, and what doldrum is told of it."""
    lines = ["| model | package | licence | options |", "| --- | --- | --- | --- |"]
    for name, other in every.items():
        typed = " ".join(words({key: _short(value) for key, value in other.options.items()}))
        lines.append(f"| {name} | {other.package.replace('==', ' ')} | {other.licence} | `{typed}` |")
    return "\n".join(lines)


def into(page: str, **parts: str) -> str:
    """The page with each part between its marks."""
    for name, text in parts.items():
        start, end = (mark.format(name) for mark in MARKS)
        before, _, rest = page.partition(start)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(
                f"expected the marks {start} and {end} in the page, got none; put them where the table belongs"
            )
        page = f"{before}{start}\n{text}\n{end}{after}"
    return page


def _short(value: Any, digits: int = 5) -> Any:
    if isinstance(value, tuple):
        return tuple(_short(v, digits) for v in value)
    return round(value, digits) if isinstance(value, float) else value


def _row(record: dict[str, Any]) -> list[str]:
    looked, own, same, measured, audit = (
        record.get(s, {}) for s in ("opened", "answered", "compared", "measured", "audited")
    )
    shape = looked.get("input_shape")
    cells = (
        record["name"], record["package"], looked.get("format"), " x ".join(map(str, shape)) if shape else None, looked.get("num_classes"),
        f"{same['alike']} of {same['images']}" if "alike" in same else None, own.get("classes_seen"), measured.get("W"),
        audit.get("accuracy"), audit.get("scanned"), audit.get("flagged"), _short(audit.get("expected"), 1), audit.get("limit"),
        audit.get("squares"), audit.get("exit"),
    )  # fmt: skip
    return ["–" if cell is None else str(cell) for cell in cells]
