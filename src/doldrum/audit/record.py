"""Outside of the confined process: write the record of an audit, its table of images, and pictures, from the facts that
the confined process returned."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np

import doldrum
from doldrum.audit import verdict
from doldrum.audit.counts import Counts, counted
from doldrum.audit.facts import AuditFacts
from doldrum.audit.inspected import Inspected
from doldrum.audit.pictures import MOST, encode_pictures
from doldrum.audit.settings import AuditSettings
from doldrum.confined.job import Begun
from doldrum.confined.scanning.rows import Rows, read_rows, write_parquet
from doldrum.confined.trigger import keep_trigger
from doldrum.explanations.job.pixels import encode_shown
from doldrum.explanations.job.record import checked
from doldrum.intake import visible
from doldrum.records.audit import AuditRecord
from doldrum.records.explanations import ExplanationRecord, Explanations

__all__ = ["RECORD", "write_record"]

RECORD = "record.json"


def write_record(
    settings: AuditSettings, found: dict[str, Any], begun: Begun, *, inspected: Inspected | None = None
) -> AuditRecord:
    """Check everything that the confined process returned or wrote, and write rows.parquet, pictures/, explanations/ and record.json."""
    facts = AuditFacts.checked(found, ranking=settings.clean is None)
    rows = read_rows(
        begun.work,
        count=facts.images["scanned"],
        num_classes=facts.model["num_classes"],
        conditions=facts.conditions,
        ranking=facts.clean is None,
    )
    counts = _counts(settings, facts, rows)
    inspected = inspected or Inspected()
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    head: dict[str, Any] = {
        "created": created,
        "doldrum": doldrum.__version__,
        "command": visible(settings.command(begun.seed), most=4000),
    }
    name = settings.shown_model if settings.remote else Path(settings.model).name or settings.model
    model = {"name": visible(name), "sha256": begun.model_sha256, **facts.model}
    explanations = None
    if found["explanations"] is not None:
        explanations = checked(found["explanations"], classes=facts.model["num_classes"])
        _write_explained(explanations, head, model, settings, begun)
    told = verdict.of_both(_verdict(facts, counts, explanations), inspected.record, inspected.remarks())
    _write_rows(facts, rows, counts, begun)
    record = AuditRecord(
        **head,
        seed=begun.seed,
        model=model,
        clean=None if facts.clean is None else {"source": visible(settings.clean or ""), **facts.clean},
        images={"source": visible(settings.images), **facts.images},
        promise=None if counts is None else {"detector": "profile", "forwards": facts.forwards, **counts.promise},
        flags=None if counts is None else counts.flags,
        concentration=None if counts is None else counts.concentration,
        band=facts.band,
        verdict=told,
        inspection=None if inspected.record is None else inspected.record.to_dict(),
        explanations=explanations,
    )
    record.save(begun.out / RECORD)
    return record


def _write_explained(
    found: Explanations, head: dict[str, Any], model: dict[str, Any], settings: AuditSettings, begun: Begun
) -> None:
    """Write the folder explanations/, with the files that `doldrum explain` would write. `doldrum repair` reads the
    trigger from this folder."""
    place, shape = begun.out / "explanations", tuple(model["input_shape"])
    encode_shown(begun.work, place, count=len(found.explained), shape=shape)
    if found.best is not None:
        keep_trigger(begun.work, place, shape=shape)
    known = {key: value for key, value in model.items() if key != "preprocessing"}
    clean = visible(settings.clean or "")
    ExplanationRecord(**head, model=known, clean=clean, skipped=(), unlisted=0, remarks=(), explanations=found).save(
        place / RECORD
    )


def _counts(settings: AuditSettings, facts: AuditFacts, rows: Rows) -> Counts | None:
    """The numbers of flags and discoveries in an audit with a promised false-positive rate; None for a ranking, which
    promises no rate."""
    if facts.clean is None or rows.p_values is None:
        return None
    return counted(
        rows.labels, rows.p_values, calibration=facts.clean["calibration"], fpr=settings.fpr, fdr=settings.fdr
    )


def _verdict(facts: AuditFacts, counts: Counts | None, explanations: Explanations | None) -> dict[str, Any]:
    scanned = facts.images["scanned"]
    if counts is None:
        return verdict.ranked(scanned=scanned, doubts=facts.doubts, remarks=facts.remarks, unreached=facts.unreached)
    return verdict.promised(
        counts.flags, counts.concentration, scanned=scanned, class_names=facts.model["class_names"], note=counts.note,
        doubts=facts.doubts, remarks=facts.remarks, unreached=facts.unreached, explanations=explanations,
    )  # fmt: skip


def _write_rows(facts: AuditFacts, rows: Rows, counts: Counts | None, begun: Begun) -> None:
    """Write rows.parquet, and the pictures of the most suspicious images."""
    most = rows.order()[:MOST].tolist()
    pictures = encode_pictures(
        begun.work / "pixels", begun.out / "pictures", most, shape=facts.shape, strengths=facts.noises
    )
    none = np.zeros(len(rows.labels), dtype=bool)
    write_parquet(
        begun.out / "rows.parquet",
        rows,
        flags=none if counts is None else counts.flagged,
        discoveries=none if counts is None else counts.discovered,
        pictures=pictures,
        num_classes=facts.model["num_classes"],
        conditions=facts.conditions,
    )
