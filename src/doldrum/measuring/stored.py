"""Read and check the output of `doldrum measure`: the manifest and its shards."""

# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from doldrum.checks import is_object
from doldrum.errors import InputError
from doldrum.files import check_folder_writable, holds_files, parquet_table
from doldrum.intake import visible
from doldrum.responses import Responses

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST",
    "StoredResponses",
    "begun",
    "check_folder",
    "check_new_folder",
    "engine_name",
    "is_sound",
    "read_manifest",
    "read_responses",
    "read_shard",
    "shard_path",
]

FORMAT_VERSION = 1
MANIFEST = "manifest.json"


def check_folder(out: str | Path) -> Path:
    """Check the output folder of `measure_to`. Raise InputError unless the folder can be written to, and is new, empty,
    or contains an unfinished run."""
    folder = Path(out)
    if (folder / MANIFEST).is_file():
        if read_manifest(folder)["complete"]:
            raise InputError(
                f"expected a new or empty folder, or a folder with an unfinished run, got {folder}, whose run is finished; "
                "name another folder with --out"
            )
        check_folder_writable(folder)
        return folder
    return check_new_folder(out)


def check_new_folder(out: str | Path) -> Path:
    """Raise InputError unless `out` is absent or an empty folder, since results are never overwritten.

    Partly written files of a killed run (*.part) are ignored.
    """
    folder = Path(out)
    if holds_files(folder):
        raise InputError(
            f"expected a new or empty folder, got {folder}, which contains files; name another folder with --out"
        )
    check_folder_writable(folder)
    return folder


_KINDS = {
    "complete": bool, "inputs": int, "num_classes": int, "strengths": list, "level": float, "invalid": int, "shards": list,
    "engine": dict, "probe": dict,
}  # fmt: skip


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Read and check the manifest in a folder that `measure_to` wrote."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise InputError(
            f"expected a folder written by doldrum measure, got {visible(folder)}, which has no {MANIFEST}; check the path"
        )
    try:
        manifest: Any = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected JSON in {path}, got {error}; measure again") from error
    if not is_object(manifest) or manifest.get("format") != "doldrum responses":
        raise InputError(f"expected a manifest of doldrum responses in {path}, got JSON of another kind")
    if manifest.get("version") != FORMAT_VERSION:
        raise InputError(
            f"expected a manifest of format version {FORMAT_VERSION}, got version {manifest.get('version')} in {path}; "
            "read the file with the version of doldrum that wrote it"
        )
    wrong = [name for name, kind in _KINDS.items() if not isinstance(manifest.get(name), kind)]
    if not wrong and not all(
        is_object(s) and isinstance(s.get("file"), str) and type(s.get("inputs")) is int and s["inputs"] > 0
        for s in manifest["shards"]
    ):
        wrong = ["shards"]
    if not wrong and sum(s["inputs"] for s in manifest["shards"]) > manifest["inputs"]:
        wrong = ["inputs"]
    if wrong:
        raise InputError(
            f"expected a manifest as doldrum measure writes it, got {path} with wrong values of {', '.join(wrong)}; measure again"
        )
    return manifest


def read_responses(folder: str | Path) -> Responses:
    """The Responses in a folder that `doldrum measure` wrote.

    If the run is unfinished, the result has the responses of the finished shards only.

    `Responses.info` is the manifest.
    """
    return Responses.concatenate(list(StoredResponses(folder)))


class StoredResponses:
    """The Responses in a folder that `doldrum measure` wrote, shard by shard.

    Iterating keeps one shard in memory at a time.

    Raises InputError, here or while iterating, for files that `doldrum measure` did not write.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder, self.info = Path(folder), read_manifest(folder)

    def __iter__(self) -> Iterator[Responses]:
        try:
            shards = self.info["shards"]
            if not shards:
                raise InputError(f"expected finished shards in {self.folder}, got none; measure again")
            for shard in shards:
                yield read_shard(self.folder, self.info, shard)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
            raise InputError(
                f"expected a manifest and shards as doldrum measure writes them in {self.folder}, got files that do not fit together ({type(error).__name__}: {error}); measure again"
            ) from error


def read_shard(folder: Path, manifest: dict[str, Any], shard: dict[str, Any]) -> Responses:
    path = shard_path(folder, shard)
    try:
        data = path.read_bytes()
        if shard.get("sha256") not in (None, hashlib.sha256(data).hexdigest()):
            raise InputError(f"expected the Parquet shard {path} as it was written, got a damaged one; measure again")
        table = parquet_table(data)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"expected a Parquet shard at {path}, got a file that cannot be read: {error}; measure again"
        ) from error
    conditions = len(manifest["strengths"])
    if len(table) != shard["inputs"] * conditions:
        raise InputError(
            f"expected {shard['inputs'] * conditions} rows in the shard {path}, got {len(table)} rows; measure again"
        )
    # DLPack, and not pyarrow's own way, which imports pandas: that takes 0.5 s.
    draws: Any = np.from_dlpack(table["draws"].combine_chunks().values)
    labels: Any = np.from_dlpack(table["label"].combine_chunks())
    return Responses(
        draws.reshape(len(table) // conditions, conditions, -1),
        labels[::conditions],
        manifest["strengths"],
        manifest["num_classes"],
        table["id"].to_pylist()[::conditions],
        manifest,
    )


def begun(out: str | Path) -> dict[str, Any] | None:
    """The manifest of an unfinished run in `out`, or None if there is no such run.

    Raises the same errors as `check_folder`.
    """
    folder = check_folder(out)
    return read_manifest(folder) if (folder / MANIFEST).is_file() else None


def engine_name(manifest: dict[str, Any]) -> str:
    name, precision = manifest["engine"]["engine"], manifest["engine"]["precision"]
    return name if name == "eager" else f"{name}-{precision}"


def shard_path(folder: Path, shard: dict[str, Any]) -> Path:
    # Only names we make ourselves: a manifest can't point outside its folder.
    return folder / Path(shard["file"]).name


def is_sound(folder: Path, shard: dict[str, Any]) -> bool:
    try:
        return shard.get("sha256") in (None, hashlib.sha256(shard_path(folder, shard).read_bytes()).hexdigest())
    except OSError:
        return False
