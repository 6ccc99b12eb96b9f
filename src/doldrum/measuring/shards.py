"""Write Responses to disk: Parquet shards with one row per input and strength, and a manifest that lists the shards."""

# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from doldrum.files import write_text_whole, write_whole
from doldrum.locks import locked
from doldrum.measuring.answers import Answers
from doldrum.measuring.begun import check_same
from doldrum.measuring.measurement import Measurement
from doldrum.measuring.stored import (
    FORMAT_VERSION,
    MANIFEST,
    check_folder,
    is_sound,
    read_manifest,
    read_shard,
    shard_path,
)
from doldrum.measuring.workers import worker_chunks
from doldrum.profiles import smoothness
from doldrum.progress import progress_bar
from doldrum.responses import Responses
from doldrum.spread import check_workers
from doldrum.stats import intervals

__all__ = ["measure_to"]


def measure_to(
    run: Measurement,
    out: str | Path,
    *,
    level: float = 0.95,
    progress: bool = True,
    extra: dict[str, Any] | None = None,
    workers: int | None = None,
    ray: str | None = None,
) -> dict[str, Any]:
    """Measure all inputs of `run`. Results are written to disk during the run, so that only a few batches are in
    memory.

    Returns the manifest.

    The folder `out` must be new or empty, or contain an unfinished run of the same measurement, which is then
    continued. Two runs are of the same measurement if their images, classifier, probe, engine, rule and level are the
    same. Each shard is written under a temporary name and renamed; then the manifest is replaced. So a killed run
    leaves complete shards, and a manifest with ``"complete": false`` that lists these shards with their SHA-256. If a
    shard is damaged when a run is continued, this shard and all later shards are measured again, and a warning says so.
    The folder is locked during the run. `workers` above 1 distributes the work over processes with one thread each. If
    `ray` is the address of a Ray cluster, the work is distributed over the cluster's machines
    (:func:`doldrum.spread.spread`). The labels do not depend on the number of workers or machines.

    A row holds: id, label (base label, -1 invalid), strength, w with w_lower and w_upper (at `level`), dominant (the
    most frequent label), dominant_lower (lower limit of its probability at the same level), draws (every draw's label
    in order; -1 invalid, -2 not taken). With a rule (`until`), the limits w_lower, w_upper and dominant_lower do not
    hold, since they assume a number of draws that was fixed before the run. Use `Rule.read` to get limits that hold for
    inputs that the rule stopped.

    Images that could not be read are listed in the manifest, under `skipped`, and the run continues without them.

    Raises InputError for a measurement of several probes, and if the folder has other contents, can't be written to, or
    is in use by another process. Raises OSError, which says what to do, if the disk is full, and WorkerError if a
    worker dies.
    """
    check_workers(workers, ray=ray)
    probe = run.probe  # raises for several
    alone = ray is None and not isinstance(workers, bool) and (workers is None or workers == 1)
    parts = run.chunks if alone else partial(worker_chunks, run, workers, ray=ray)
    folder = check_folder(out)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        check_folder(out)
        manifest: dict[str, Any] = {
            "format": "doldrum responses",
            "version": FORMAT_VERSION,
            "complete": False,
            "inputs": len(run),
            "images_hash": run.inputs.fingerprint(),
            "num_classes": run.classifier.num_classes,
            "strengths": list(probe.strengths),
            "level": level,
            "invalid": 0,
            "shards": [],
            "skipped": [{"path": name, "reason": why} for name, why in run.inputs.skipped],
            **run.info,
            **(extra or {}),
        }
        if (folder / MANIFEST).is_file():
            manifest = _continued(folder, manifest)
        _write_shards(run, parts, folder, manifest, progress=progress)
    return manifest


@contextmanager
def _writing(folder: Path) -> Generator[None, None, None]:
    """Replace an OSError from writing by an error that says what to do.

    Only code that writes files runs inside this context. The classifier and the images may raise OSError too, and such
    errors must not be replaced.
    """
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(
            error.errno,
            f"expected to be able to write to {folder}, got '{why}'; finished shards are kept: "
            "free some disk space, then run the same command again to continue",
        ) from error


def _write_shards(
    run: Measurement,
    parts: Callable[..., Iterator[Answers]],
    folder: Path,
    manifest: dict[str, Any],
    *,
    progress: bool,
) -> None:
    _write_manifest(folder, manifest)
    start = sum(shard["inputs"] for shard in manifest["shards"])
    with progress_bar("measuring", len(run), show=progress) as advance:
        advance(start)
        for chunk in parts(start=start):
            name = f"part-{len(manifest['shards']):05d}.parquet"
            buffer: Any = pa.BufferOutputStream()
            pq.write_table(_table(chunk.only, manifest["level"]), buffer, compression="zstd")
            data: bytes = buffer.getvalue()
            with _writing(folder):
                write_whole(folder / name, partial(_put, data=data))
            digest = hashlib.sha256(data).hexdigest()
            manifest["shards"].append({"file": name, "inputs": len(chunk), "sha256": digest})
            manifest["invalid"] += chunk.num_invalid
            _write_manifest(folder, manifest)
            advance(len(chunk))
    manifest["complete"] = True
    _write_manifest(folder, manifest)


def _continued(folder: Path, fresh: dict[str, Any]) -> dict[str, Any]:
    """The manifest of the unfinished run in `folder`, which will be continued. `fresh` is the manifest of the new
    measurement.

    Raises InputError if the two manifests describe different measurements.
    """
    found = read_manifest(folder)
    plain = json.loads(json.dumps(fresh, default=str))
    check_same(folder, found, plain)
    before: dict[str, Any] = found.get("versions") or {}
    now: dict[str, Any] = fresh["versions"]
    other = [f"{name} {before.get(name)}, now {v}" for name, v in now.items() if before.get(name) != v]
    if other:
        warnings.warn(
            f"expected the library versions with which the run in {folder} began, got other versions ({'; '.join(other)}): if two scores are almost "
            "equal, a label may differ from one run to the next; install the earlier versions to be sure",
            stacklevel=4,
        )
    sound = next((i for i, s in enumerate(found["shards"]) if not is_sound(folder, s)), len(found["shards"]))
    if sound < len(found["shards"]):
        warnings.warn(
            f"expected the shard {found['shards'][sound]['file']} in {folder} to be unchanged, got no file or a damaged file; this shard and the {len(found['shards']) - sound - 1} shards after it are measured again",
            stacklevel=4,
        )
        for shard in found["shards"][sound:]:
            shard_path(folder, shard).unlink(missing_ok=True)
        found["shards"] = found["shards"][:sound]
        found["invalid"] = sum(read_shard(folder, found, shard).num_invalid for shard in found["shards"])
    return found


def _put(draft: Path, *, data: bytes) -> None:
    draft.write_bytes(data)


def _utf8(name: str) -> str:
    """Convert an id to valid UTF-8, which Parquet requires: bytes that are not valid UTF-8 are escaped."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _table(chunk: Responses, level: float) -> Any:
    """Convert the Responses of one chunk of inputs to an Arrow table, with `level` as the confidence level of the
    limits."""
    w = smoothness(chunk, level=level)
    counts = chunk.counts
    n, conditions, draws = chunk.draws.shape
    columns: dict[str, Any] = {
        "id": _texts([_utf8(i) for i in chunk.ids for _ in range(conditions)]),
        "label": _column(np.repeat(chunk.labels, conditions)),
        "strength": _column(np.tile(np.asarray(chunk.strengths), n)),
        "w": _column(w.value),
        "w_lower": _column(w.lower),
        "w_upper": _column(w.upper),
        "dominant": _column(counts.argmax(axis=2).astype(np.int16)),
        "dominant_lower": _column(intervals.dominant_lower(counts, alpha=1 - level)),
        "draws": pa.FixedSizeListArray.from_arrays(_column(chunk.draws), draws),
    }
    return pa.table(columns)


def _column(values: NDArray[Any]) -> Any:
    """An Arrow array that uses the memory of a NumPy array. pyarrow's own conversion imports pandas, which takes 0.5 s."""
    flat = np.ascontiguousarray(values).ravel()
    return pa.Array.from_buffers(pa.from_numpy_dtype(flat.dtype), len(flat), [None, pa.py_buffer(flat)])


def _texts(texts: list[str]) -> Any:
    data = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, data)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(data), pa.py_buffer(ends), pa.py_buffer(b"".join(data)))


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    text = json.dumps(manifest, indent=2, ensure_ascii=False, default=str)
    with _writing(folder):
        write_text_whole(folder / MANIFEST, text + "\n")
