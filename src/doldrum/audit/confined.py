"""Outside of the confined process: the folder that a run goes on in, and sending the work in."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from doldrum.audit.remote import kept_address
from doldrum.audit.settings import AuditSettings
from doldrum.errors import InputError, SandboxError
from doldrum.files import write_text_whole
from doldrum.intake import visible
from doldrum.locks import check_out_apart, locked
from doldrum.progress import progress_bar
from doldrum.sandbox import Limits, run_confined

__all__ = ["RECORD", "begun", "forget", "lines", "model_hash", "send", "whole"]

_STAGES = {
    "model": "opening the model",
    "images": "reading images",
    "clean": "reading clean images",
    "timing": "timing forwards",
    "classes": "activations by label",
    "fit": "fitting",
    "calibrate": "calibrating",
    "scan": "scanning",
}
RECORD = {"audit": "record.json", "cleansing": "summary.json"}
"""What a run leaves in its folder once all is done."""
# Settings that may differ when a run goes on
_FREE = (
    "out",
    "memory",
    "hours",
    *(f"endpoint_{name}" for name in ("timeout", "retries", "per_second", "queries", "token")),
)


@contextlib.contextmanager
def begun(out: Path, settings: AuditSettings, *, what: str) -> Iterator[tuple[int, str]]:
    """This audit's folder (or cleansing's: `what`), for one process alone while the block runs; gives the seed and the model's SHA-256.

    Two at once would take each other's drafts away. Raises InputError for a second one, for a folder of something else or among the
    images, for other images than those of a run that is finished, and where no folder can be made or written.
    """
    sources = {"images": settings.images, "clean": settings.clean}
    for source in sources.values():
        if source is not None:
            check_out_apart(source, out)
    digest, states = model_hash(settings), {name: _state(source) for name, source in sources.items()}
    _begin(out, settings, digest, states, what=what)
    with locked(out):
        yield (
            _begin(out, settings, digest, states, what=what),
            digest,
        )  # again: one that was here first may have ended since


def _begin(out: Path, settings: AuditSettings, model_sha256: str, states: Mapping[str, str], *, what: str) -> int:
    """Make the folder of this audit (or cleansing: `what`), or recognise its own; gives the seed."""
    kind = f"doldrum {what}"
    wanted = {k: v for k, v in settings.to_dict().items() if k not in _FREE} | {"model_sha256": model_sha256}
    if settings.remote:
        wanted["model"] = kept_address(settings.model)
    if out.exists() and not out.is_dir():
        raise InputError(f"expected a folder for --out, got the file {out}; name another")
    seed = secrets.randbits(63) if settings.seed is None else settings.seed
    if out.is_dir() and any(out.iterdir()):
        before = None
        try:
            found = json.loads((out / f"{what}.json").read_text(encoding="utf-8"))
            same = found["format"] == kind and found["settings"] == wanted
            seed, before = int(found["seed"]), found["sources"]
        except (OSError, ValueError, KeyError, TypeError):
            same = False
        if not same:
            raise InputError(
                f"expected a new or empty folder, or this {what}'s own, got {out}, which holds something else; name another "
                "with --out"
            )
        if before == states:
            return seed
        if (out / RECORD[what]).exists():  # a run that goes on compares what is in them
            raise InputError(
                f"expected the images that this run began with, got others: some came, went or changed since {out} was finished; name "
                "another folder with --out"
            )
    text = json.dumps({"format": kind, "settings": wanted, "seed": seed, "sources": states}, indent=2)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text_whole(out / f"{what}.json", text + "\n")
    except OSError as error:
        raise InputError(
            f"expected an --out that can be written, got {out} ({error.strerror}); name another, or mend that"
        ) from error
    return seed


def forget(out: Path, folder: Path, *, what: str) -> None:
    """After an error before anything was scanned: leave no folder that refuses the mended command."""
    if any(folder.rglob("rows-*.jsonl")) or any(folder.rglob("*.doldrum")):
        return
    shutil.rmtree(folder, ignore_errors=True)
    (out / f"{what}.json").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        out.rmdir()


def send(
    function: str, job: dict[str, Any], settings: AuditSettings, *, progress: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    """What `function` answers in a confined process to `job` {settings, work, seed}; its messages are drawn and said."""
    paths = [job["settings"][name] for name in ("images", "clean", "labels") if job["settings"][name] is not None]
    if not settings.remote:
        paths.append(job["settings"]["model"])
    limits = Limits(
        memory=int(settings.memory * (1 << 30)),
        seconds=settings.hours * 3600,
        network=settings.remote,
        write=[job["work"]],
        read=None if settings.trust_code else paths,
        environment=[] if settings.endpoint_token is None else [settings.endpoint_token],
    )
    with contextlib.ExitStack() as bars:
        advance: Callable[[int], None] = lambda count: None  # noqa: E731

        def hear(message: Any) -> None:
            nonlocal advance
            if not isinstance(message, Mapping):
                return
            stage, done, text = message.get("stage"), message.get("done"), message.get("say")
            if isinstance(stage, str) and stage in _STAGES:
                total = message.get("total")
                bars.close()
                advance = bars.enter_context(
                    progress_bar(_STAGES[stage], total if type(total) is int else None, show=progress)
                )
            if type(done) is int and 0 <= done < 1 << 31:
                advance(done)
            if isinstance(text, str):
                say(visible(text, most=1000))

        found = run_confined(function, job, limits=limits, on_message=hear)
    if not isinstance(found, dict):
        raise SandboxError("expected facts from the confined process, got something else", reason="nonsense")
    return found


def lines(values: Any) -> list[str]:
    """At most 100 strings as visible text."""
    return [visible(str(v), most=2000) for v in list(values)[:100]]


def whole(value: Any, least: int = 1) -> int:
    """`value`, where it is a whole number from `least` up; ValueError for anything else."""
    if type(value) is not int or not least <= value < 1 << 31:
        raise ValueError(f"expected a whole number, got {value!r}")
    return value


def model_hash(settings: AuditSettings) -> str:
    """SHA-256 of the model's file or folder; "" for one that is asked over the network."""
    return "" if settings.remote else _sha256(Path(settings.model))


def _state(path: str | None) -> str:
    """SHA-256 of the names, sizes and times of a file, or of all files of a folder, none of which is read; "" where none is there."""
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


def _sha256(path: Path) -> str:
    """Of a file's bytes; of a folder, of its files' names and hashes in order."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{_sha256(file)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
