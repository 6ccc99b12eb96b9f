"""run_audit: send the work into a confined process, check what comes back, write the record and the report."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import doldrum
from doldrum.audit import confined, verdict
from doldrum.audit import rows as rows_file
from doldrum.audit.confined import lines, whole
from doldrum.audit.pictures import MOST, encode_pictures
from doldrum.audit.settings import AuditSettings
from doldrum.errors import DoldrumError, SandboxError
from doldrum.intake import visible
from doldrum.records.audit import AuditRecord
from doldrum.stats import conformal

__all__ = ["run_audit"]

_RECORD = confined.RECORD["audit"]


def run_audit(
    settings: AuditSettings, *, progress: bool = True, say: Callable[[str], None] = lambda text: None
) -> AuditRecord:
    """Audit a model and images that somebody else made; leaves report.html, record.json, rows.parquet and pictures/ in `settings.out`.

    Model and images are opened and run in a confined process (:func:`doldrum.sandbox.run_confined`); this one reads JSON of known
    shape from it. Killed at any moment, the same call goes on where it was; called again when all is done, it gives the record.

    Parameters
    ----------
    settings : AuditSettings
    progress : bool
        Draw progress bars on standard error, where it is a terminal.
    say : function
        Hears what is worth knowing on the way, one line each: the model's accuracy, doubts about it, the number of draws.

    Returns
    -------
    AuditRecord
        `verdict["exit_code"]` is 3 where more was flagged than the promise explains, else 0.

    Raises
    ------
    InputError
        for a folder of something else or one that another run is at work in, files that can't be read or are refused, too few clean images (with the number needed).
    SandboxError
        when the confined process exceeds its memory or time, or dies.
    OSError
        when the disk is full.
    """
    out = Path(settings.out)
    with confined.begun(out, settings, what="audit") as (seed, model_hash):
        return _audited(settings, out, seed, model_hash, progress=progress, say=say)


def _audited(
    settings: AuditSettings, out: Path, seed: int, model_hash: str, *, progress: bool, say: Callable[[str], None]
) -> AuditRecord:
    if (out / _RECORD).exists():
        say(f"{out} holds this audit, finished before; nothing was done again")
        return AuditRecord.load(out / _RECORD)
    folder = out / "work"
    folder.mkdir(exist_ok=True)
    try:
        job = {"settings": settings.to_dict(), "work": str(folder.resolve()), "seed": seed}
        facts = confined.send("doldrum.audit.work:work", job, settings, progress=progress, say=say)
    except DoldrumError:
        confined.forget(out, folder, what="audit")
        raise
    try:
        record = _record(settings, facts, folder, seed, model_hash)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise SandboxError(
            f"expected the facts of an audit from the confined process, got others: {visible(str(error))}",
            reason="nonsense",
        ) from error
    record.save(out / _RECORD)
    shutil.rmtree(folder, ignore_errors=True)
    return record


def _record(settings: AuditSettings, facts: dict[str, Any], folder: Path, seed: int, model_hash: str) -> AuditRecord:
    out, model = Path(settings.out), facts["model"]
    scanned, classes = whole(facts["images"]["scanned"]), whole(model["num_classes"])
    unreached = whole(facts["images"]["unreached"], least=0)
    ranking = settings.clean is None
    conditions = sum(len(family["strengths"]) for family in facts["band"])
    rows = rows_file.read_rows(folder, count=scanned, num_classes=classes, conditions=conditions, ranking=ranking)
    doubts, remarks = lines(facts["doubts"]), lines(facts["remarks"])
    names = None if model["class_names"] is None else [visible(str(n), most=100) for n in model["class_names"]]
    flagged = discovered = rows.labels < -1
    promise = flags = found = clean = None
    if ranking or rows.p_values is None:
        told = verdict.ranked(scanned=scanned, doubts=doubts, remarks=remarks, unreached=unreached)
    else:
        size = whole(facts["clean"]["calibration"])
        interval = conformal.realised_fpr(size, settings.fpr)
        flagged = rows.p_values <= settings.fpr * (1 + 1e-9)
        discoveries = conformal.benjamini_hochberg(rows.p_values, fdr=settings.fdr, num_calibration=size)
        discovered = discoveries.flags
        limit = conformal.flags_limit(scanned, size, settings.fpr)
        promise = {
            "detector": "profile",
            "fpr": settings.fpr,
            "forwards": facts["forwards"],
            "lower": interval.lower,
            "upper": interval.upper,
            "num_calibration": size,
        }
        flags = {
            "count": int(flagged.sum()),
            "expected": round(interval.value * scanned, 6),
            "limit": limit,
            "more_than_promised": bool(flagged.sum() > limit),
            "discoveries": len(discoveries),
            "fdr": settings.fdr,
        }
        found = verdict.concentration(rows.labels, flagged)
        clean = {"source": visible(settings.clean or ""), **facts["clean"]}
        told = verdict.promised(
            flags, found, scanned=scanned, class_names=names, note=discoveries.note, doubts=doubts, remarks=remarks,
            unreached=unreached,
        )  # fmt: skip
    shape = (whole(model["input_shape"][0]), whole(model["input_shape"][1]), whole(model["input_shape"][2]))
    pictures = encode_pictures(
        folder / "pixels",
        out / "pictures",
        rows.order()[:MOST].tolist(),
        shape=shape,
        strengths=[float(s) for s in facts["band"][0]["strengths"]],
    )
    rows_file.write_parquet(
        out / "rows.parquet", rows, flags=flagged, discoveries=discovered, pictures=pictures,
        num_classes=classes, conditions=conditions,
    )  # fmt: skip
    images = facts["images"]
    return AuditRecord(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        doldrum=doldrum.__version__,
        command=visible(settings.command(seed), most=4000),
        seed=seed,
        model={
            "name": visible(settings.shown_model if settings.remote else Path(settings.model).name or settings.model),
            "sha256": model_hash,
            **{k: model[k] for k in ("format", "input_shape", "num_classes", "preprocessing")},
            "class_names": names,
            "notes": lines(model["notes"]),
        },
        clean=clean,
        images={
            "source": visible(settings.images),
            "scanned": scanned,
            "skipped": [
                {"id": visible(str(s["id"])), "why": visible(str(s["why"]), most=1000)} for s in images["skipped"]
            ],
            "unlisted": images["unlisted"],
        },
        promise=promise,
        flags=flags,
        concentration=found,
        band=tuple(facts["band"]),
        verdict=told,
    )
