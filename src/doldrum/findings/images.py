"""Findings about images, from the record and rows of an audit or from the folder of a scan."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.files import parquet_table
from doldrum.findings.finding import MOST, Check, Finding, Findings, Level
from doldrum.findings.model import model_check
from doldrum.findings.places import Place, image_place, uri_of
from doldrum.findings.rules import FLAGGED, PROVEN
from doldrum.intake import visible
from doldrum.provenance import versions_and_machine
from doldrum.records.audit import AuditRecord
from doldrum.records.inspection import InspectionRecord
from doldrum.stats.conformal import benjamini_hochberg

__all__ = ["of_audit", "of_scan"]

_COLUMNS = ("id", "label", "score", "p_value", "flag")


def of_audit(record: AuditRecord, folder: str | Path, *, model: str, images: str) -> Findings:
    """The findings of an audit about the images, and about the model if it was inspected.

    `folder` is the folder of the audit's results. `model` and `images` are the paths that were given to the audit.
    Flagged images and discoveries (images that chance cannot explain) become findings. An audit without clean images only ranks the images,
    and has no findings about images.
    """
    flags = record.flags
    proven = {} if record.explanations is None else {e.image: e.why for e in record.explanations.explained if e.proven}
    failed = flags is not None and (flags["more_than_promised"] or flags["discoveries"] > 0)
    names = record.model["class_names"]
    found = [] if flags is None else _stood_out([Path(folder) / "rows.parquet"], (*_COLUMNS, "discovery"))
    images_check = Check(
        name="images",
        outcome="skipped" if flags is None else "failed" if failed else "passed",
        heading=record.verdict["heading"] if flags is None else _heading(flags, record.images["scanned"]),
        sentences=tuple(record.verdict["sentences"]),
        place=Place(uri_of(images if Path(images).exists() else model)),
        findings=tuple(
            _finding(row, names, failed=failed, why=proven.get(row["id"]), source=images, model=model)
            for row in found[:MOST]
        ),
        unlisted=max(0, len(found) - MOST),
        unreadable=_unreadable(((one["id"], one["why"]) for one in record.images["skipped"]), images, model),
        unread=record.images["unlisted"],
        properties={
            "scanned": record.images["scanned"],
            **({} if flags is None else {"flagged": flags["count"], **_some(flags, "expected", "limit", "discoveries", "fdr")}),
            **({} if record.promise is None else _some(record.promise, "fpr", "num_calibration", "detector")),
        },
    )  # fmt: skip
    checks = [images_check]
    if record.inspection is not None:
        checks.append(model_check(InspectionRecord.from_dict(record.inspection), model=model))
    return Findings(
        command="audit",
        exit_code=record.verdict["exit_code"],
        checks=tuple(checks),
        created=record.created,
        doldrum=record.doldrum,
        line=record.command,
    )


def of_scan(
    summary: Mapping[str, Any], folder: str | Path, *, model: str, images: str, sentences: Sequence[str] = ()
) -> Findings:
    """The findings of a scan about the images.

    `summary` is the dictionary that :func:`doldrum.detectors.deploy.scanning.scan_to` returns. `folder` is the folder of
    the scan's results.
    """
    found = _stood_out([Path(folder) / shard["file"] for shard in summary["shards"]], _COLUMNS, summary)
    failed = bool(summary["suspicious"])
    flags = {"count": summary["flagged"], **_some(summary, "limit", "discoveries", "more_than_promised")}
    check = Check(
        name="images",
        outcome="failed" if failed else "passed",
        heading=_heading(flags, summary["inputs"]),
        sentences=tuple(sentence for sentence in (*sentences, summary["watch"]["words"]) if sentence),
        place=Place(uri_of(images if Path(images).exists() else model)),
        findings=tuple(_finding(row, None, failed=failed, source=images, model=model) for row in found[:MOST]),
        unlisted=max(0, len(found) - MOST),
        unreadable=_unreadable(((one["path"], one["reason"]) for one in summary["skipped"]), images, model),
        properties={
            "scanned": summary["inputs"],
            "flagged": summary["flagged"],
            **_some(summary, "limit", "discoveries", "fdr", "fpr", "num_calibration", "detector"),
            "watch": summary["watch"]["kind"],
        },
    )
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    version = versions_and_machine()["versions"].get("doldrum", "")
    return Findings(command="scan", exit_code=3 if failed else 0, checks=(check,), created=created, doldrum=version)


def _stood_out(
    files: Iterable[Path], columns: Sequence[str], summary: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the result rows of flagged images and of discoveries (images that chance cannot explain), most suspicious
    first.

    The rows of a scan do not say which images are discoveries. For a scan, the discoveries are computed again with the
    settings in `summary`.
    """
    import pyarrow as pa

    tables = [parquet_table(file, columns=columns) for file in files]
    if not tables:
        return []
    table = pa.concat_tables(tables)
    flags = table.column("flag").to_numpy()
    p = table.column("p_value").to_numpy()
    if summary is None:
        discoveries = table.column("discovery").to_numpy()
    else:
        discoveries = benjamini_hochberg(p, fdr=summary["fdr"], num_calibration=summary["num_calibration"]).flags
    chosen = np.flatnonzero(flags | discoveries)
    order = chosen[np.lexsort((-table.column("score").to_numpy()[chosen], p[chosen]))]
    rows: list[dict[str, Any]] = table.take(order).to_pylist()
    return [row | {"discovery": bool(discoveries[i])} for row, i in zip(rows, order, strict=True)]


def _finding(
    row: Mapping[str, Any],
    names: Sequence[str] | None,
    *,
    failed: bool,
    why: str | None = None,
    source: str,
    model: str,
) -> Finding:
    name, label, p = visible(row["id"]), row["label"], row["p_value"]
    answer = "no valid answer" if label < 0 else f"class {label}" + (f" ({names[label]})" if names else "")
    level: Level = "error" if why or row["discovery"] else "warning" if failed else "note"
    means = why or (
        "This image stands out more than chance can explain."
        if row["discovery"]
        else "More images were flagged than expected from clean images alone."
        if failed
        else "The number of flags is not larger than expected from clean images alone."
    )
    return Finding(
        rule=PROVEN if why else FLAGGED,
        level=level,
        message=f"{name} may carry a trigger: its p-value is {p:.2g}, and the model predicts {answer}. {means}",
        name=name,
        place=image_place(source, row["id"], model=model),
        properties={
            "p_value": p,
            "score": row["score"] if np.isfinite(row["score"]) else None,
            "label": label,
            "flagged": row["flag"],
            "discovery": row["discovery"],
        },
    )


def _heading(flags: Mapping[str, Any], scanned: int) -> str:
    """The number of flags, and the number that is expected from clean images.

    >>> _heading({"count": 9, "limit": 4, "discoveries": 1}, 30)
    '9 of 30 images were flagged; up to 4 flags are expected from clean images alone. 1 image stands out more than chance can explain.'
    """
    count, out = flags["count"], flags["discoveries"]
    text = f"{count:,} of {scanned:,} images {'was' if count == 1 else 'were'} flagged; up to {flags['limit']:,} flags are expected from clean images alone."
    if out:
        text += f" {out:,} {'image stands' if out == 1 else 'images stand'} out more than chance can explain."
    return text


def _unreadable(found: Iterable[tuple[str, str]], images: str, model: str) -> tuple[tuple[Place, str], ...]:
    return tuple((image_place(images, name, model=model), why) for name, why in found)


def _some(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names}
