"""Scans on disk: Parquet shards of verdicts, a manifest, and a summary; killed at any moment, they go on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from doldrum.data import ImageSet
from doldrum.detectors.base import Detector
from doldrum.detectors.result import ScanResult
from doldrum.errors import InputError
from doldrum.files import parquet_table, write_text_whole, write_whole
from doldrum.progress import progress_bar

__all__ = ["scan_to"]

FORMAT, VERSION = "doldrum scan", 1
_MANIFEST = "manifest.json"
_SHARD = 1024  # inputs a shard: what a kill can lose


def scan_to(
    detector: Detector, images: ImageSet, out: str | Path, *, fdr: float = 0.1, progress: bool = True, extra: Any = None
) -> dict[str, Any]:
    """Scan into a folder, a shard of 1,024 inputs at a time, and give the summary back, which is manifest.json.

    A shard has one row an input: id, label, score, p_value, flag. The same call again on the folder of a run that was cut off
    goes on after its last whole shard; a folder of another detector, other images or other files is refused with InputError.

    Of the summary: `flagged`, `limit` (the most flags that the promise explains, 95%), `discoveries` (Benjamini-Hochberg at
    `fdr`), `note`, and `suspicious`: whether more was flagged than the limit, or the set of discoveries isn't empty.
    """
    calibration = detector.calibration
    if calibration is None or detector.fitted_for is None:
        raise InputError(f"expected a calibrated detector, got {detector!r}; call calibrate(clean, fpr=0.01) first")
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "complete": False,
        "identity": _identity(detector, images, fdr),
        "detector": detector.name,
        "settings": {k: repr(v) for k, v in detector.settings.items() if k != "seed"},
        "forwards": detector.forwards,
        "classifier": detector.fitted_for[0],
        "inputs": len(images),
        "fpr": calibration.fpr,
        "num_calibration": calibration.smallest,
        "realised_fpr": list(vars(calibration.promise).values()),
        "fdr": fdr,
        "shards": [],
        **(extra or {}),
    }
    folder = Path(out)
    manifest["shards"] = _finished(folder, manifest)
    folder.mkdir(parents=True, exist_ok=True)
    with progress_bar("scanning", len(images), show=progress) as advance:
        for number, start in enumerate(range(0, len(images), _SHARD)):
            some = range(start, min(len(images), start + _SHARD))
            if number >= len(manifest["shards"]):
                name = f"part-{number:05d}.parquet"
                frame = detector.scan(images.take(some)).to_frame()
                write_whole(folder / name, lambda draft, frame=frame: frame.to_parquet(draft, index=False))
                manifest["shards"].append({"file": name, "inputs": len(some)})
                _write(folder, manifest)
            advance(len(some))
    rows = pd.concat([parquet_table(folder / s["file"]).to_pandas() for s in manifest["shards"]], ignore_index=True)
    manifest |= {"complete": True, **_summary(detector, rows, fdr)}
    _write(folder, manifest)
    return manifest


def _summary(detector: Detector, rows: pd.DataFrame, fdr: float) -> dict[str, Any]:
    calibration = detector.calibration
    assert calibration is not None
    labels, p = rows["label"].to_numpy(dtype=np.int16), rows["p_value"].to_numpy(dtype=float)
    result = ScanResult(
        ids=rows["id"].tolist(),
        labels=labels,
        scores=rows["score"].to_numpy(dtype=float),
        p_values=p,
        flags=rows["flag"].to_numpy(dtype=bool),
        fpr=calibration.fpr,
        num_calibration=calibration.smallest,
        limit=calibration.limit(labels.astype(np.int64)),
    )
    found = result.flagged(fdr)
    return {
        "flagged": result.num_flagged,
        "limit": result.limit,
        "more_than_promised": result.more_than_promised,
        "discoveries": len(found),
        "note": found.note,
        "suspicious": result.more_than_promised or len(found) > 0,
    }


def _identity(detector: Detector, images: ImageSet, fdr: float) -> str:
    """A hash of what decides the verdicts: the detector with its calibration and secret seed, and the images."""
    calibration, digest = detector.calibration, hashlib.sha256()
    assert calibration is not None
    digest.update(repr((detector.name, detector.seed_, detector.fitted_for, calibration.fpr, fdr)).encode())
    for array in (calibration.scores, calibration.ties, calibration.groups):
        digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    digest.update(json.dumps([images.content_hash(), *images.ids]).encode())
    return digest.hexdigest()


def _finished(folder: Path, manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The whole shards of the same scan, cut off; none where the folder is new or empty."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return []
    try:
        found = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        same = found["format"] == FORMAT and found["identity"] == manifest["identity"]
    except (OSError, ValueError, KeyError, TypeError):
        same, found = False, {}
    if not same:
        raise InputError(
            f"expected a new or empty folder, or this scan's own, got {folder}, which holds something else; "
            "name another with --out"
        )
    names = [f"part-{i:05d}.parquet" for i in range(len(found["shards"]))]
    return [{"file": n, "inputs": s["inputs"]} for n, s in zip(names, found["shards"], strict=True)]


def _write(folder: Path, manifest: dict[str, Any]) -> None:
    write_text_whole(folder / _MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False, default=str) + "\n")
