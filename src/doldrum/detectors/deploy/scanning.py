"""Scans on disk: Parquet shards of verdicts, a manifest, and a summary; killed at any moment, they can be continued."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

import errno
import hashlib
import io
import itertools
import json
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from doldrum.checks import is_list, is_object, is_whole
from doldrum.data import Images, ImageSet
from doldrum.detectors.contract.detector import Detector
from doldrum.detectors.contract.measuring import Each, Examining, blocks_of, each_by
from doldrum.detectors.contract.result import ScanResult
from doldrum.detectors.contract.stages import Examined
from doldrum.detectors.deploy.tally import Tally, summary_of, tally_of
from doldrum.errors import InputError
from doldrum.files import check_folder_writable, parquet_table, write_text_whole, write_whole
from doldrum.locks import locked
from doldrum.measuring.collected import StoredImages
from doldrum.measuring.stored import is_sound
from doldrum.progress import progress_bar
from doldrum.spread import check_workers

__all__ = ["check_scan_folder", "detector_identity", "is_unfinished", "judged_by", "part_of", "scan_to"]

FORMAT, VERSION = "doldrum scan", 1
_MANIFEST = "manifest.json"
_SHARD = 1024  # inputs a shard: what a kill can lose


def scan_to(
    detector: Detector,
    images: Images | StoredImages,
    out: str | Path,
    *,
    fdr: float = 0.1,
    progress: bool = True,
    extra: Any = None,
    workers: int | None = None,
    ray: str | None = None,
) -> dict[str, Any]:
    """Scan into a folder, a shard of 1,024 inputs at a time, and give the summary back, which is manifest.json.

        A shard has one row per input: id, label, score, p_value, flag. The same call again on the folder of a run that was cut off
    continues after its last whole shard, and on that of a finished one reads it; a shard that was damaged since is scanned again, with
        those after it, and a warning says so. Memory holds a shard's images at a time, and the rows.

    `workers` above 1 spreads the work over processes of one thread each, `ray` over the machines of a Ray cluster (its address;
    :func:`doldrum.spread.spread`): the shards are bit for bit those of one process, and may be begun by one number of workers and finished by another. A
    worker that dies is replaced.

    Raises InputError, before any work, for a folder of another detector, other images or other files, one that can't be written
    to, and one that another process writes to; OSError, with what to do, when the disk is full; WorkerError when workers die again and again.

        `images` is an ImageSet, StoredImages, or any source that :func:`doldrum.data.read_stream` reads; items that can't be read are listed under
        `skipped`, and the run continues without them.

        Of the summary: `flagged`, `limit` (the most flags that the promise explains, 95%), `discoveries` (Benjamini-Hochberg at
        `fdr`), `note`, `watch`, `suspicious`: whether more was flagged than the limit, the set of discoveries isn't empty, or the watch
        found more flags than the promise explains; and `mean_forwards`, how often the model was asked for an input.

        `watch` says whether the promise still holds for these images: `kind`, `words` and `alpha` of a
        :class:`~doldrum.detectors.deploy.watch.WatchVerdict`. It sees them in a random order, which is always the same one, since that of a
        folder is often by class; so it can't say when a change was.
    """
    check_workers(workers, ray=ray)
    if detector.calibration is None or detector.fitted_for is None:
        raise InputError(f"expected a calibrated detector, got {detector!r}; call calibrate(clean, fpr=0.01) first")
    if not isinstance(images, StoredImages):
        read = detector.read(images)
        images = read.images
        listed = [{"path": name, "reason": why} for name, why in read.skipped]
        extra = {"skipped": listed, **cast("dict[str, Any]", extra or {})}
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "complete": False,
        "identity": _identity(detector, images, fdr),
        **judged_by(detector, fdr),
        "inputs": len(images.ids),
        "shards": [],
        **(extra or {}),
    }
    folder = check_scan_folder(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            manifest["shards"] = _finished(folder, manifest)
            if len(manifest["shards"]) < -(-manifest["inputs"] // _SHARD):
                _write(folder, manifest)  # also to see, before any work, that it can be
            with progress_bar("scanning", manifest["inputs"], show=progress) as advance, _heard(detector, advance):
                advance(sum(shard["inputs"] for shard in manifest["shards"]))
                return _scanned(detector, images, folder, manifest, workers=workers, ray=ray)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            raise
        raise InputError(f"expected a folder that can be written to, got {folder} ({error}); name another") from error


@contextmanager
def _heard(detector: Detector, advance: Callable[[int], None]) -> Generator[None, None, None]:
    """While the block runs, each batch moves the bar on too."""
    before = detector.on_batch

    def heard(count: int) -> None:
        advance(count)
        if before is not None:
            before(count)

    detector.on_batch = heard
    try:
        yield
    finally:
        detector.on_batch = before


def _scanned(
    detector: Detector,
    images: ImageSet | StoredImages,
    folder: Path,
    manifest: dict[str, Any],
    *,
    workers: int | None,
    ray: str | None,
) -> dict[str, Any]:
    """Scan what is missing, and put the summary into the manifest."""
    total = manifest["inputs"]
    parts = [(start, min(total, start + _SHARD)) for start in range(0, total, _SHARD)][len(manifest["shards"]) :]
    alone = ray is None and (workers or 1) == 1
    here = (detector.scan(part_of(images, *part)) for part in parts)
    with closing(here if alone else _by_workers(detector, images, parts, each_by(workers, ray))) as found:
        for result in found:
            buffer = io.BytesIO()
            result.to_frame().to_parquet(buffer, index=False)
            data, name = buffer.getvalue(), f"part-{len(manifest['shards']):05d}.parquet"
            write_whole(folder / name, lambda draft, data=data: draft.write_bytes(data))
            digest = hashlib.sha256(data).hexdigest()
            shard = {"file": name, "inputs": len(result), "sha256": digest, "forwards": int(result.forwards.sum())}
            manifest["shards"].append(shard)
            _write(folder, manifest)
    manifest |= {"complete": True, **_summary(detector, folder, manifest)}
    manifest["mean_forwards"] = sum(s["forwards"] for s in manifest["shards"]) / max(1, total)
    _write(folder, manifest)
    return manifest


def _by_workers(
    detector: Detector, images: ImageSet | StoredImages, parts: Sequence[tuple[int, int]], each: Each
) -> Generator[ScanResult, None, None]:
    """The result of each part, as `Detector.scan` gives it: one set of workers for all, which have the same batches."""
    if not parts:
        return
    size = detector.batch_size
    work = Examining(detector, detector.stage_runs(part_of(images, *parts[0])))
    found = each(work, (block for part in parts for block in blocks_of(part_of(images, *part), size)))
    for start, stop in parts:
        batches: list[Examined] = []
        for batch in itertools.islice(found, -(-(stop - start) // size)):
            batches.append(batch)
            if detector.on_batch is not None:
                detector.on_batch(len(batch.labels))
        seen = Examined.concatenate(batches)
        yield detector.judge(seen.labels, seen.scores, part_of(images, start, stop), forwards=seen.forwards)


def part_of(images: ImageSet | StoredImages, start: int, stop: int) -> ImageSet:
    """Images start..stop, in memory."""
    if isinstance(images, ImageSet):
        return images.take(range(start, stop))
    return ImageSet(images[start:stop], ids=images.ids[start:stop])


def _summary(detector: Detector, folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    calibration = detector.calibration
    assert calibration is not None
    tally = Tally()
    for shard in manifest["shards"]:
        rows = parquet_table(folder / shard["file"], columns=("label", "p_value"))
        tally += tally_of(calibration, *(rows.column(name).to_numpy() for name in ("label", "p_value")))
    return summary_of(calibration, tally, manifest["fdr"])


def judged_by(detector: Detector, fdr: float) -> dict[str, Any]:
    """What a scan's summary says of the detector, which is calibrated, and of its promise."""
    calibration, fitted = detector.calibration, detector.fitted_for
    assert calibration is not None
    assert fitted is not None
    return {
        "detector": detector.name,
        "settings": {k: repr(v) for k, v in detector.settings.items() if k != "seed"},
        "forwards": detector.forwards,
        "classifier": fitted[0],
        "fpr": calibration.fpr,
        "num_calibration": calibration.smallest,
        "realised_fpr": list(vars(calibration.promise).values()),
        "fdr": fdr,
    }


def detector_identity(detector: Detector, fdr: float) -> bytes:
    """A hash of what decides the verdicts, but for the images: the detector with its calibration and secret seed."""
    calibration, digest = detector.calibration, hashlib.sha256()
    assert calibration is not None
    digest.update(repr((detector.name, detector.seed_, detector.fitted_for, calibration.fpr, fdr)).encode())
    for array in (calibration.scores, calibration.ties, calibration.groups):
        digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.digest()


def _identity(detector: Detector, images: ImageSet | StoredImages, fdr: float) -> str:
    seen = json.dumps([images.content_hash(), *images.ids]).encode()
    return hashlib.sha256(detector_identity(detector, fdr) + seen).hexdigest()


def check_scan_folder(out: str | Path) -> Path:
    """Raise InputError unless `out` is absent, empty, or holds a scan, finished or cut off, and can be written to."""
    folder = Path(out)
    if folder.is_dir():
        others = [p for p in folder.iterdir() if p.suffix != ".part"]  # what a kill left half-written counts as nothing
        if others and _read(folder) is None:
            raise _something_else(folder)
    check_folder_writable(folder)
    return folder


def is_unfinished(out: str | Path) -> bool:
    """Whether `out` holds an interrupted scan that can be continued."""
    found = _read(Path(out))
    return found is not None and found.get("complete") is not True


def _something_else(folder: Path) -> InputError:
    return InputError(
        f"expected a new or empty folder, or this scan's own, got {folder}, which holds something else; name another with --out"
    )


def _differing(found: dict[str, Any], manifest: dict[str, Any]) -> str:
    """In which of the settings that a manifest names two scans differ; their seeds, and which images they have, it names as hashes only."""
    told = [
        f"{name}={manifest[name]} (it began with {name}={found.get(name)})"
        for name in ("fdr", "fpr", "detector", "inputs")
        if found.get(name) != manifest[name]
    ]
    return ", ".join(told) or "other images, or another detector's file"


def _read(folder: Path) -> dict[str, Any] | None:
    """The manifest of a scan; None if there is none."""
    try:
        found = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if is_object(found) and found.get("format") == FORMAT else None


def _finished(folder: Path, manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The whole shards of the same scan, cut off or finished; none where the folder is new or empty."""
    found = _read(check_scan_folder(folder))
    if found is None:
        return []
    if found.get("identity") != manifest["identity"]:
        raise InputError(
            f"expected the scan that {folder} holds, got a scan with {_differing(found, manifest)}; run the earlier scan again to continue it, or name "
            "another folder with --out"
        )
    listed: Any = found.get("shards")
    listed = listed if is_list(listed) else []
    sound: list[dict[str, Any]] = []
    for number, start in enumerate(range(0, manifest["inputs"], _SHARD)):
        if number >= len(listed):
            break
        digest = listed[number].get("sha256") if isinstance(listed[number], dict) else None
        # Names and sizes are ours: a manifest can't point outside its folder.
        shard = {
            "file": f"part-{number:05d}.parquet",
            "inputs": min(_SHARD, manifest["inputs"] - start),
            "sha256": digest,
            "forwards": listed[number].get("forwards") if isinstance(listed[number], dict) else None,
        }
        if not isinstance(digest, str) or not is_whole(shard["forwards"]) or not is_sound(folder, shard):
            warnings.warn(
                f"expected the shard {shard['file']} in {folder} as it was written, got none or a damaged one; this shard and the "
                f"{len(listed) - number - 1} after it are scanned again",
                stacklevel=4,
            )
            break
        sound.append(shard)
    return sound


def _write(folder: Path, manifest: dict[str, Any]) -> None:
    write_text_whole(folder / _MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False, default=str) + "\n")
