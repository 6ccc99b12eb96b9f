"""Writes a cleansing's files and summary, outside of the confined process.

All values from the confined process are checked before they are written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.cleansing import METHODS
from doldrum.cleansing.job.settings import CleansingSettings
from doldrum.cleansing.job.work import COLUMNS, KEPT
from doldrum.cleansing.methods import ranking
from doldrum.confined.facts import lines, names_of, skipped, whole
from doldrum.confined.job import Begun
from doldrum.files import write_text_whole, write_whole
from doldrum.intake import visible

__all__ = ["SUMMARY", "write_summary"]

SUMMARY = "summary.json"
_CLEAN = "clean.npz"
_LARGEST = 1 << 30
_COLUMNS = {"id": "U", "label": "i", "predicted": "i", "profile_score": "f", "profile_drop": "b"}
_PROMISE = ("fpr", "num_calibration", "limit", "more_than_promised", "discoveries", "realised_fpr")


def write_summary(settings: CleansingSettings, facts: dict[str, Any], begun: Begun) -> dict[str, Any]:
    """Check the confined process's results; write samples.parquet, drop.txt, clean.npz and, last, summary.json."""
    import pandas as pd

    count, classes = whole(facts["samples"]), whole(facts["model"]["num_classes"])
    methods = [m for m in METHODS if m in facts["methods"]]
    promise = facts["promise"]
    columns = _columns(begun.work / COLUMNS, methods, count, classes, promised=promise is not None)
    drop = np.asarray(columns[f"{settings.method}_drop"])
    rows = np.flatnonzero(drop)
    kept, clean = begun.work / KEPT, begun.out / _CLEAN
    if kept.is_symlink() or not (kept.is_file() or clean.is_file()):
        raise ValueError("no file with the samples to keep")
    names = names_of(facts["class_names"], most=80)
    if names is not None and len(names) != classes:
        raise ValueError(f"{len(names)} names for {classes} classes")
    frame = pd.DataFrame({"row": np.arange(count), **columns})
    write_whole(begun.out / "samples.parquet", lambda draft: frame.to_parquet(draft, index=False))
    write_text_whole(begun.out / "drop.txt", "".join(f"{row}\n" for row in rows))
    if kept.is_file():
        kept.replace(clean)
    summary = {
        "out": settings.out, "data": visible(settings.images), "model": visible(settings.shown_model),
        "clean": None if settings.clean is None else visible(settings.clean), "method": settings.method, "seed": begun.seed,
        "samples": count, "dropped": len(rows), "kept": count - len(rows), "suspicious": bool(facts["suspicious"]),
        "ranking": None if promise is not None else _ranking(facts["ranking"], int(np.sum(columns["profile_drop"]))),
        "promise": None if promise is None else _promise(promise, int(np.sum(columns["profile_drop"]))),
        "refused": {str(m): visible(str(why), most=1000) for m, why in facts["refused"].items() if m in METHODS},
        "methods": {m: _of_method(facts["methods"][m], columns, m) for m in methods},
        "class_names": names, "format": visible(str(facts["model"]["format"])), "notes": lines(facts["model"]["notes"]),
        "skipped": skipped(facts["skipped"]), "unlisted": whole(facts["unlisted"], least=0),
    }  # fmt: skip
    text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)
    write_text_whole(begun.out / SUMMARY, text + "\n")
    return summary


def _columns(path: Path, methods: list[str], count: int, classes: int, *, promised: bool) -> dict[str, Any]:
    """The columns of samples.parquet. Raises ValueError for a column of a wrong type or length."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
        raise ValueError("no file of columns, or a file of columns that is too large")
    kinds = dict(_COLUMNS)
    for method in methods:
        kinds |= {f"{method}_score": "f", f"{method}_drop": "b"}
    if promised:
        kinds["profile_p_value"] = "f"
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, Mapping) or set(found) != set(kinds):
        raise ValueError("other columns than expected")
    made: dict[str, Any] = {}
    for name, values in found.items():
        array = np.asarray(values)
        if array.shape != (count,) or array.dtype.kind != kinds[name]:
            raise ValueError(f"the column {name} with a wrong type or length")
        if kinds[name] == "f" and not np.isfinite(array).all():
            raise ValueError(f"the column {name} with NaN or infinite numbers")
        if kinds[name] == "i" and not ((array >= -1) & (array < classes)).all():
            raise ValueError(f"the column {name} with classes that the model does not have")
        made[name] = [visible(v) for v in values] if name == "id" else array
    return made


def _promise(found: Mapping[str, Any], flagged: int) -> dict[str, Any]:
    made: dict[str, Any] = {"flagged": flagged, **{name: found[name] for name in _PROMISE}}
    realised = [float(v) for v in made["realised_fpr"]]
    return made | {
        "fpr": float(made["fpr"]), "num_calibration": whole(made["num_calibration"]), "limit": whole(made["limit"], least=0),
        "more_than_promised": bool(made["more_than_promised"]), "discoveries": whole(made["discoveries"], least=0),
        "realised_fpr": realised,
    }  # fmt: skip


def _ranking(found: Mapping[str, Any], dropped: int) -> dict[str, Any]:
    """Facts about a ranking: how many of the listed samples every round of draws lists, and what a ranking cannot
    say."""
    rounds, every = whole(found["rounds"]), whole(found["in_every_round"], least=0)
    if every > dropped:
        raise ValueError(f"{every} samples that every round lists, but a whole list of only {dropped} samples")
    depends = (
        f"The profile ranked the samples in {rounds} rounds of draws. {every:,} of the {dropped:,} samples on its list were on the list of every "
        "round. The remaining samples on the list depend on the draws: with a different --seed, different samples are on the list."
    )
    return {"rounds": rounds, "listed": dropped, "in_every_round": every, "means": [depends, ranking.LIMITS]}


def _of_method(found: Mapping[str, Any], columns: Mapping[str, Any], method: str) -> dict[str, Any]:
    labels, drop = columns["label"], columns[f"{method}_drop"]
    counts = np.bincount(labels[drop], minlength=int(labels.max()) + 1)
    made: dict[str, Any] = {
        "rule": visible(str(found["rule"]), most=500), "dropped": int(drop.sum()), "dropped_by_label": counts.tolist()
    }  # fmt: skip
    if found["classes"] is not None:
        made["classes"] = [
            {"label": whole(c["label"], least=0), "samples": whole(c["samples"]), "share": float(c["share"]),
             "silhouette": float(c["silhouette"]), "dropped": bool(c["dropped"])}
            for c in found["classes"]
        ]  # fmt: skip
    return made
