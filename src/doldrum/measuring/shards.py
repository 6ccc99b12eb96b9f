"""Responses on disk: Parquet shards, one row per input and strength, and a manifest that lists them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from doldrum.errors import InputError
from doldrum.files import write_text_whole, write_whole
from doldrum.locks import locked
from doldrum.measuring.measure import Measurement
from doldrum.measuring.workers import worker_chunks
from doldrum.profiles import smoothness
from doldrum.progress import progress_bar
from doldrum.responses import Responses
from doldrum.stats import intervals

__all__ = [
    "FORMAT_VERSION",
    "StoredResponses",
    "check_folder",
    "check_new_folder",
    "measure_to",
    "read_manifest",
    "read_responses",
]

FORMAT_VERSION = 1
_MANIFEST = "manifest.json"


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
    """Measure and write as it goes: memory holds a few batches. Gives the manifest back.

    `out` must be new, empty, or hold an unfinished run of the same measurement, which is then continued: same images,
    classifier, probe, engine, rule and level. Each shard is written under another name and renamed, then the manifest is
    replaced: a killed run leaves whole shards and a manifest with ``"complete": false`` that lists them. The folder is
    locked while the run lasts. `workers` above 1 spreads the work over processes of one thread each, `ray` over the machines
    of a Ray cluster (its address; :func:`doldrum.spread.spread`); labels stay the same.

    A row holds: id, label (base label, -1 invalid), strength, w with w_lower and w_upper (at `level`), dominant (the most
    frequent label), dominant_lower (lower limit of its probability at the same level), draws (every draw's label in order;
    -1 invalid, -2 not taken). Under a rule (`until`), w_lower, w_upper and dominant_lower are those of `level` for a number
    of draws fixed beforehand: use `Rule.read` for limits that hold after stopping.

    Raises InputError for a folder of anything else, or one that another process writes to; OSError, with what to do, when
    the disk is full; EngineError when a worker dies.
    """
    alone = ray is None and (workers is None or workers == 1) and not isinstance(workers, bool)
    parts = run.chunks if alone else partial(worker_chunks, run, workers, ray=ray)
    folder = check_folder(out)
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
            "strengths": list(run.probe.strengths),
            "level": level,
            "invalid": 0,
            "shards": [],
            **run.info,
            **(extra or {}),
        }
        if (folder / _MANIFEST).is_file():
            manifest = _continued(folder, manifest)
        try:
            _write_shards(run, parts, folder, manifest, progress=progress)
        except OSError as error:
            raise OSError(
                error.errno,
                f"expected to be able to write to {folder}, got '{error.strerror or error}'; finished shards are kept: "
                "make room, then run the same again to continue",
            ) from error
    return manifest


def _write_shards(
    run: Measurement,
    parts: Callable[..., Iterator[Responses]],
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
            table = _table(chunk, manifest["level"])
            write_whole(folder / name, lambda draft, table=table: pq.write_table(table, draft, compression="zstd"))
            manifest["shards"].append({"file": name, "inputs": len(chunk)})
            manifest["invalid"] += chunk.num_invalid
            _write_manifest(folder, manifest)
            advance(len(chunk))
    manifest["complete"] = True
    _write_manifest(folder, manifest)


_SAME = ("inputs", "images_hash", "num_classes", "strengths", "level", "classifier", "outputs", "probe", "until")


def _continued(folder: Path, fresh: dict[str, Any]) -> dict[str, Any]:
    """The manifest of an unfinished run of the same measurement; InputError for another's."""
    found = read_manifest(folder)
    plain = json.loads(json.dumps(fresh, default=str))
    differs = [name for name in _SAME if found.get(name) != plain.get(name)]
    engines = [{k: m["engine"].get(k) for k in ("engine", "precision", "mixes_inputs")} for m in (found, plain)]
    if engines[0] != engines[1]:
        differs.append("engine")
    if differs:
        raise InputError(
            f"expected an unfinished run of this measurement in {folder}, got one with other {', '.join(differs)}; "
            "name another folder with --out"
        )
    missing = [s["file"] for s in found["shards"] if not (folder / Path(s["file"]).name).is_file()]
    if missing:
        raise InputError(f"expected the shard {missing[0]} in {folder}, which its manifest lists; measure anew")
    return found


def check_folder(out: str | Path) -> Path:
    """Raise InputError unless `out` is absent, empty, or holds an unfinished run of `measure_to`."""
    folder = Path(out)
    if (folder / _MANIFEST).is_file():
        if read_manifest(folder)["complete"]:
            raise InputError(
                f"expected a new or empty folder, or an unfinished run, got {folder}, which is finished; "
                "name another with --out"
            )
        return folder
    return check_new_folder(out)


def check_new_folder(out: str | Path) -> Path:
    """Raise InputError unless `out` is absent or an empty folder: results are never written over.

    Half-written files of a killed run (*.part) count as nothing.
    """
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(p.suffix != ".part" for p in folder.iterdir())):
        raise InputError(f"expected a new or empty folder, got {folder}, which holds files; name another with --out")
    return folder


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a folder that `measure_to` wrote, checked."""
    path = Path(folder) / _MANIFEST
    if not path.is_file():
        raise InputError(f"expected a folder written by doldrum measure, got {folder}, which has no {_MANIFEST}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"expected JSON in {path}, got {error}; measure again") from error
    if not isinstance(manifest, dict) or manifest.get("format") != "doldrum responses":
        raise InputError(f"expected a manifest of doldrum responses in {path}, got something else")
    if manifest.get("version") != FORMAT_VERSION:
        raise InputError(
            f"expected format version {FORMAT_VERSION}, got {manifest.get('version')} in {path}; "
            "read it with the doldrum that wrote it"
        )
    return manifest


def read_responses(folder: str | Path) -> Responses:
    """The Responses in a folder that `doldrum measure` wrote; of an unfinished run, what was finished.

    `Responses.info` is the manifest.
    """
    return Responses.concatenate(list(StoredResponses(folder)))


class StoredResponses:
    """The Responses in a folder that `doldrum measure` wrote, shard by shard: iterating holds one shard at a time.

    Raises InputError, here or while iterating, for what `doldrum measure` didn't write.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder, self.info = Path(folder), read_manifest(folder)

    def __iter__(self) -> Iterator[Responses]:
        try:
            shards = self.info["shards"]
            if not shards:
                raise InputError(f"expected finished shards in {self.folder}, got none; measure again")
            for shard in shards:
                yield _shard(self.folder, self.info, shard)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
            raise InputError(
                f"expected a manifest and shards as doldrum measure writes them in {self.folder}, got a misfit "
                f"({type(error).__name__}: {error}); measure again"
            ) from error


def _shard(folder: Path, manifest: dict[str, Any], shard: dict[str, Any]) -> Responses:
    # Only names we make ourselves: a manifest can't point outside its folder.
    path = folder / Path(shard["file"]).name
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"expected a Parquet shard at {path}, got {error}; measure again") from error
    conditions = len(manifest["strengths"])
    draws = table["draws"].combine_chunks().values.to_numpy()
    return Responses(
        draws.reshape(len(table) // conditions, conditions, -1),
        table["label"].to_numpy()[::conditions],
        manifest["strengths"],
        manifest["num_classes"],
        table["id"].to_pylist()[::conditions],
        manifest,
    )


def _utf8(name: str) -> str:
    """The id, with bytes of a file name that are no UTF-8 as escapes: Parquet takes nothing else."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _table(chunk: Responses, level: float) -> pa.Table:
    w = smoothness(chunk, level=level)
    counts = chunk.counts
    n, conditions, draws = chunk.draws.shape
    flat = pa.FixedSizeListArray.from_arrays(pa.array(chunk.draws.ravel()), draws)
    columns: dict[str, Iterable[Any]] = {
        "id": pa.array(np.repeat(np.asarray([_utf8(i) for i in chunk.ids], dtype=object), conditions), pa.string()),
        "label": np.repeat(chunk.labels, conditions),
        "strength": np.tile(np.asarray(chunk.strengths), n),
        "w": w.value.ravel(),
        "w_lower": w.lower.ravel(),
        "w_upper": w.upper.ravel(),
        "dominant": counts.argmax(axis=2).astype(np.int16).ravel(),
        "dominant_lower": intervals.dominant_lower(counts, alpha=1 - level).ravel(),
        "draws": flat,
    }
    return pa.table(columns)


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    text = json.dumps(manifest, indent=2, ensure_ascii=False, default=str)
    write_text_whole(folder / _MANIFEST, text + "\n")
