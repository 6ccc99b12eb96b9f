"""Outside of the confined process: the folder of a job. An interrupted job can be continued in its folder with the same
settings, model and images."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from doldrum.confined.job import Begun, Job
from doldrum.confined.settings import JobSettings
from doldrum.errors import InputError
from doldrum.files import holds_files, remove_drafts, tidied, write_text_whole
from doldrum.intake import visible
from doldrum.locks import check_out_apart, locked
from doldrum.opening.files import digest_of

__all__ = ["begin", "forget", "holds_work"]

_IN_WORDS = {
    "model": "another model, or the same model in another place",
    "model_sha256": "a model file with other content",
}


@contextlib.contextmanager
def begin(job: Job, settings: JobSettings) -> Iterator[Begun]:
    """Make or reopen a job's folder, and lock the folder for this process until the `with` block ends.

    The lock is needed because two processes in one folder would delete each other's unfinished files. Raises InputError
    if another process uses the folder, if the folder holds something else or is among the images, or if it can't be
    made or written. InputError is also raised if the folder has a finished run with other images.
    """
    out = Path(settings.out)
    for source in settings.sources.values():
        if source is not None:
            check_out_apart(source, out)
    digest = "" if settings.remote else digest_of(settings.path)
    states = {name: _state(source) for name, source in settings.sources.items()}
    with tidied(out):
        _recognised(job, settings, digest, states)
        with locked(out):
            seed = _recognised(job, settings, digest, states)  # again: one that was here first may have ended since
            remove_drafts(out)
            yield Begun(out=out, work=out / "work", seed=seed, model_sha256=digest)


def _recognised(job: Job, settings: JobSettings, model_sha256: str, states: Mapping[str, str]) -> int:
    """Make the job's folder, or check that an existing folder belongs to this job. Return the job's seed."""
    out, kind = Path(settings.out), f"doldrum {job.name}"
    wanted = settings.lasting() | {"model_sha256": model_sha256}
    if out.exists() and not out.is_dir():
        raise InputError(f"expected a folder for --out, got the file {out}; name a folder")
    seed = secrets.randbits(63) if settings.seed is None else settings.seed
    if holds_files(out):
        try:
            found = json.loads((out / f"{job.name}.json").read_text(encoding="utf-8"))
            begun_with, seed, before = dict(found["settings"]), int(found["seed"]), found["sources"]
            ours = found["format"] == kind
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            begun_with, before, ours = {}, None, False
        if not ours:
            raise InputError(
                f"expected a new or empty folder, or the folder of this {job.name}, got {out}, which holds something else; name another with --out"
            )
        if differs := _differing(begun_with, wanted, settings.CALLED):
            raise InputError(
                f"expected the settings with which the {job.name} in {out} began, got {differs}; use the same settings to continue this job, or name "
                "another folder with --out"
            )
        if before == states:
            return seed
        if (out / job.record).exists():  # a run that is continued compares what is in them
            raise InputError(
                f"expected the images that this run began with, got images that differ: some were added, removed or changed since {out} was finished; name "
                "another folder with --out"
            )
    text = json.dumps({"format": kind, "settings": wanted, "seed": seed, "sources": states}, indent=2)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text_whole(out / f"{job.name}.json", text + "\n")
    except OSError as error:
        raise InputError(
            f"expected a folder for --out that can be written, got {out} ({error.strerror}); name another folder, or fix the permissions of this folder"
        ) from error
    return seed


def _differing(before: Mapping[str, Any], now: Mapping[str, Any], called: Mapping[str, str]) -> str:
    """The settings that differ between an interrupted run and this call, as text for an error message; "" if all
    settings agree."""
    told: list[str] = []
    for name in {**now, **before}:
        values = [one.get(name) for one in (now, before)]
        if values[0] == values[1]:
            continue
        asked, began = (f"no {name}=" if v is None or v is False else f"{name}={visible(str(v))}" for v in values)
        other = f"another {called[name]}" if name in called else _IN_WORDS.get(name)
        told.append(other or f"{asked} (it began with {began})")
    return ", ".join(told)


def forget(job: Job, begun: Begun) -> None:
    """Delete a job's files if the job was stopped before it had any result. Then the user can correct the command and
    run it again with the same folder.

    The function `begin` deletes the folder itself.
    """
    if holds_work(begun.out):
        return
    shutil.rmtree(begun.work, ignore_errors=True)
    (begun.out / f"{job.name}.json").unlink(missing_ok=True)


def holds_work(out: Path) -> bool:
    """Whether a job's folder has results that the same command can reuse: batches, a fitted detector, searches, epochs or finished parts."""
    kept = ("rows-*.jsonl", "*.doldrum", "*.resume", "reading-*.json", "found.jsonl", "record.json")
    return any(any((out / "work").rglob(name)) for name in kept)


def _state(path: str | None) -> str:
    """SHA-256 of the name, size and time of a file, or of all files in a folder; "" if the path does not exist. No file is read."""
    if path is None or not os.path.exists(path):
        return ""
    files = [path] if os.path.isfile(path) else []
    for folder, _, names in os.walk(path):
        files += [os.path.join(folder, name) for name in names]
    digest = hashlib.sha256()
    for file in sorted(files):
        with contextlib.suppress(OSError):  # one that may not be looked at, or went
            found = os.lstat(file)
            told = f"{os.path.relpath(file, path)}\0{found.st_size}\0{found.st_mtime_ns}\n"
            digest.update(told.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
