"""run_cleansing: a training set that somebody else made, cleansed in a confined process; what comes back is checked and written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.audit import confined
from doldrum.audit.cleansing_work import COLUMNS, KEPT
from doldrum.audit.confined import lines, whole
from doldrum.audit.settings import AuditSettings
from doldrum.cleansing import METHODS, ranking
from doldrum.cleansing.base import checked_rate
from doldrum.data import DATASETS
from doldrum.errors import DoldrumError, InputError, SandboxError
from doldrum.files import write_text_whole, write_whole
from doldrum.intake import visible

__all__ = ["CleansingSettings", "run_cleansing"]

_SUMMARY, _CLEAN = confined.RECORD["cleansing"], "clean.npz"
_LARGEST = 1 << 30
_COLUMNS = {"id": "U", "label": "i", "predicted": "i", "profile_score": "f", "profile_drop": "b"}
_PROMISE = ("fpr", "num_calibration", "limit", "more_than_promised", "discoveries", "realised_fpr")


@dataclass(frozen=True, kw_only=True)
class CleansingSettings(AuditSettings):
    """What `doldrum cleanse` was asked for: an audit's settings, where `images` is the training set, and two more.

    `images` and `clean` may also be a split of a data set that doldrum knows, such as "fashion-mnist:train".

    Parameters
    ----------
    fpr : float in (0, 1)
        With clean images: the false-positive rate that the profile promises.
    rate : float in (0, .5]
        The most poison to expect, of the set (the profile's ranking) or of a class (spectral signatures).
    method : "profile", "spectral" or "clustering"
        Whose list is dropped.

    Raises InputError for anything of another kind or range, and for files that are not there.

    >>> CleansingSettings(model=".", images=".", out="new", method="magic")
    Traceback (most recent call last):
    doldrum.errors.InputError: expected a --method of profile, spectral, clustering, got 'magic'; pick one
    """

    fpr: float = 0.05
    rate: float = 0.05
    method: str = "profile"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"expected a --method of {', '.join(METHODS)}, got {self.method!r}; pick one")
        checked_rate(self.rate)
        if not self.is_there(self.images):
            raise InputError(
                f"expected a training set (a folder, an archive, a table, an array or a split such as fashion-mnist:train), got "
                f"{self.images}, which is not there; check the path"
            )
        super().__post_init__()

    def is_there(self, path: str) -> bool:
        return super().is_there(path) or _known_split(path) is not None


def run_cleansing(
    settings: CleansingSettings, *, progress: bool = True, say: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Cleanse a training set that somebody else made, by a model that somebody else made; gives what summary.json holds.

    Leaves drop.txt (a row number a line, from 0), clean.npz (the samples that stay), samples.parquet and summary.json in
    `settings.out`. Model and images are opened in a confined process, as by :func:`doldrum.audit.run_audit`. Killed at any
    moment, the same call goes on where it was; called again when all is done, it gives the summary.

    Raises InputError for a folder of something else or one that another run is at work in, a set without labels, too few clean images; ClassifierError where the
    model can't serve the method; SandboxError when the confined process exceeds its memory or time, or dies.
    """
    out = Path(settings.out)
    with confined.begun(out, settings, what="cleansing") as (seed, _):
        return _cleansed(settings, out, seed, progress=progress, say=say)


def _cleansed(
    settings: CleansingSettings, out: Path, seed: int, *, progress: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    if (out / _SUMMARY).exists():
        say(f"{out} holds this cleansing, finished before; nothing was done again")
        return json.loads((out / _SUMMARY).read_text(encoding="utf-8"))
    folder = out / "work"
    folder.mkdir(exist_ok=True)
    try:
        told = settings.to_dict()
        for name, part in (("images", "train"), ("clean", "test")):
            told[name] = _as_file(told[name], part, folder / f"{name}-split.npz")
        job = {"settings": told, "work": str(folder.resolve()), "seed": seed}
        facts = confined.send("doldrum.audit.cleansing_work:work", job, settings, progress=progress, say=say)
    except DoldrumError:
        confined.forget(out, folder, what="cleansing")
        raise
    try:
        summary = _written(settings, facts, folder, seed)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, FileNotFoundError):
            raise
        raise SandboxError(
            f"expected the facts of a cleansing from the confined process, got others: {visible(str(error))}",
            reason="nonsense",
        ) from error
    write_text_whole(out / _SUMMARY, json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    return summary


def _known_split(path: str) -> str | None:
    """The data set's name, where `path` is one (or NAME:SPLIT) and no file."""
    name = path.partition(":")[0]
    return name if name in DATASETS and not Path(path).exists() else None


def _as_file(path: str | None, part: str, target: Path) -> str | None:
    """A split of ours as .npz for the confined process, which can't fetch it; anything else as it is."""
    if path is None or _known_split(path) is None:
        return path
    if not target.exists():
        from doldrum.data import load_dataset

        found = load_dataset(path if ":" in path else f"{path}:{part}")

        def write(draft: Path) -> None:
            with draft.open("wb") as file:
                np.savez(file, images=found.images, labels=np.asarray(found.labels))

        write_whole(target, write)
    return str(target.resolve())


def _written(settings: CleansingSettings, facts: dict[str, Any], folder: Path, seed: int) -> dict[str, Any]:
    """Check what the confined process left and write it out; the summary."""
    import pandas as pd

    out, count, classes = Path(settings.out), whole(facts["samples"]), whole(facts["model"]["num_classes"])
    methods = [m for m in METHODS if m in facts["methods"]]
    promise = facts["promise"]
    columns = _columns(folder / COLUMNS, methods, count, classes, promised=promise is not None)
    drop = np.asarray(columns[f"{settings.method}_drop"])
    rows = np.flatnonzero(drop)
    kept = folder / KEPT
    if kept.is_symlink() or not (kept.is_file() or (out / _CLEAN).is_file()):
        raise ValueError("no samples that stay")
    names = facts["class_names"]
    names = None if names is None else [visible(str(n), most=80) for n in names]
    if names is not None and len(names) != classes:
        raise ValueError(f"{len(names)} names of {classes} classes")
    frame = pd.DataFrame({"row": np.arange(count), **columns})
    write_whole(out / "samples.parquet", lambda draft: frame.to_parquet(draft, index=False))
    write_text_whole(out / "drop.txt", "".join(f"{row}\n" for row in rows))
    if kept.is_file():
        kept.replace(out / _CLEAN)
    return {
        "out": settings.out, "data": visible(settings.images), "model": visible(settings.shown_model),
        "clean": None if settings.clean is None else visible(settings.clean), "method": settings.method, "seed": seed,
        "samples": count, "dropped": len(rows), "kept": count - len(rows), "suspicious": bool(facts["suspicious"]),
        "ranking": None if promise is not None else _ranking(facts["ranking"], int(np.sum(columns["profile_drop"]))),
        "promise": None if promise is None else _promise(promise, int(np.sum(columns["profile_drop"]))),
        "refused": {str(m): visible(str(why), most=1000) for m, why in facts["refused"].items() if m in METHODS},
        "methods": {m: _of_method(facts["methods"][m], columns, m) for m in methods},
        "class_names": names, "format": visible(str(facts["model"]["format"])), "notes": lines(facts["model"]["notes"]),
        "skipped": [{"id": visible(str(s["id"])), "why": visible(str(s["why"]), most=1000)} for s in facts["skipped"]],
        "unlisted": whole(facts["unlisted"], least=0),
    }  # fmt: skip


def _columns(path: Path, methods: list[str], count: int, classes: int, *, promised: bool) -> dict[str, Any]:
    """The columns of samples.parquet, each of its kind and length; ValueError for anything else."""
    if path.is_symlink() or path.stat().st_size > _LARGEST:
        raise ValueError("columns that are too large")
    kinds = dict(_COLUMNS)
    for method in methods:
        kinds |= {f"{method}_score": "f", f"{method}_drop": "b"}
    if promised:
        kinds["profile_p_value"] = "f"
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, Mapping) or set(found) != set(kinds):
        raise ValueError("other columns than those asked for")
    made: dict[str, Any] = {}
    for name, values in found.items():
        array = np.asarray(values)
        if array.shape != (count,) or array.dtype.kind != kinds[name]:
            raise ValueError(f"a column {name} of another kind or length")
        if kinds[name] == "f" and not np.isfinite(array).all():
            raise ValueError(f"numbers in {name} that are not finite")
        if kinds[name] == "i" and not ((array >= -1) & (array < classes)).all():
            raise ValueError(f"classes in {name} that the model lacks")
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
    """How far the list holds whatever the draws, and what it can't say."""
    rounds, every = whole(found["rounds"]), whole(found["in_every_round"], least=0)
    if every > dropped:
        raise ValueError(f"{every} of {dropped} samples")
    depends = (
        f"Of the {dropped:,} samples on the profile's list {every:,} are on that of each of its {rounds} rounds of draws; the others depend on the "
        "draws, and another --seed gives others."
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
