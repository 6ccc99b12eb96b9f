"""Writes the repaired model's file and the record, outside of the confined process.

All values from the confined process are checked before they are used.
"""

from __future__ import annotations

import datetime
import errno
import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import doldrum
from doldrum.confined.facts import lines, names_of, whole
from doldrum.confined.job import Begun
from doldrum.files import write_whole
from doldrum.intake import visible
from doldrum.records.repair import RepairRecord
from doldrum.repairing import METHODS
from doldrum.repairing.job.settings import RepairSettings
from doldrum.repairing.job.verdict import told

__all__ = ["RECORD", "made_name", "write_record"]

RECORD = "record.json"
_NO_SIGN = "The inspection found no sign of a backdoor. If the model has no backdoor, the repair only costs accuracy: keep the model as it was."
_NOT_COMPARED = "The inspection found no sign of a backdoor. But it had no reference models, and without them an inspection misses many backdoors. So this repair assumed that the model has a backdoor. If it has none, the repair only costs accuracy."


def made_name(settings: RepairSettings) -> str:
    """The file name of the repaired model in the confined process's folder."""
    return f"repaired{Path(settings.repaired).suffix}"


def write_record(settings: RepairSettings, found: dict[str, Any], begun: Begun) -> RepairRecord:
    """Check the results of the confined process; write the repaired model and, last, record.json."""
    model, given = found["model"], settings.found
    shape = [whole(side) for side in model["input_shape"]]
    name = found["method"]["name"]
    if name not in METHODS:
        raise ValueError(f"an unknown method {name!r}")
    recovered, remarks = None, lines(found["remarks"])
    if given is not None:
        if given.verdict == "no sign":
            remarks = [_NO_SIGN if given.cleared else _NOT_COMPARED, *remarks]
        recovered = {"inspector": given.inspector, "source": given.source, "target": given.target}
    names = names_of(model["class_names"], most=100)
    clean = {key: found["clean"][key] for key in ("images", "fit", "test", "labels")}
    figures = {key: found[key] for key in ("accuracy", "agreement", "success", "larger")}
    verdict = told(
        found["word"], **figures, clean=clean, recovered=recovered, names=names, method=METHODS[name].title, remarks=remarks
    )  # fmt: skip
    source = begun.work / made_name(settings)
    if source.is_symlink() or not source.is_file():
        raise ValueError("no repaired model")
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    record = RepairRecord(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        doldrum=doldrum.__version__,
        command=visible(settings.command(), most=4000),
        seed=begun.seed,
        model={
            "name": visible(Path(settings.model).name or settings.model),
            "sha256": begun.model_sha256,
            "format": visible(str(model["format"])),
            "input_shape": shape,
            "num_classes": whole(model["num_classes"], least=2),
            "class_names": names,
            "preprocessing": model["preprocessing"],
            "notes": lines(model["notes"]),
        },
        clean={"source": visible(settings.clean), **clean},
        method={"name": name, "title": METHODS[name].title, "settings": visible(str(found["method"]["settings"]))},
        recovered=recovered,
        **figures,
        repaired={"name": visible(Path(settings.repaired).name), "sha256": digest, "bytes": source.stat().st_size},
        seconds=float(found["seconds"]),
        verdict=verdict,
    )
    if os.path.lexists(settings.repaired):  # it was not there when this began
        why = "expected --out as a new file, got a file that appeared during the repair; move it away, and run the same command again"
        raise FileExistsError(errno.EEXIST, why, settings.repaired)
    write_whole(settings.repaired, lambda draft: shutil.copyfile(source, draft))
    record.save(begun.out / RECORD)
    return record
