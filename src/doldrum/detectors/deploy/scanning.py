"""Scan into a folder: Parquet shards of verdicts, and a manifest with a summary. A scan that was killed can be
continued."""

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
from doldrum.files import check_folder_writable, holds_files, parquet_table, write_text_whole, write_whole
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
    """Scan images into a folder, 1,024 at a time, and return the summary. The file manifest.json in the folder has the
    same content as the summary.

    Each 1,024 images make one shard: a Parquet file with the columns id, label, score, p_value and flag, and one row
    per image. If a run was interrupted, the same call continues after the last complete shard. If the scan is finished,
    the call only reads the scan's shards. A damaged shard is scanned again, with all shards after it, and a warning
    says so. Memory holds the images of one shard at a time, and the rows of all images.

    If `workers` is above 1, the work is shared by `workers` processes with one thread each. `ray` is the address of a
    Ray cluster, whose machines then share the work (:func:`doldrum.spread.spread`). The shards are identical, bit for
    bit, to the shards that a single process writes. An interrupted scan can be continued with another number of
    workers. A worker that dies is replaced.

    Before any work, raises InputError if the folder can't be written to, or if another process is writing to it.
    InputError is also raised if the folder holds other files, or a scan with another detector or other images. Raises
    OSError, whose message says what to do, when the disk is full. Raises WorkerError when workers die repeatedly.

    `images` is an ImageSet, StoredImages, or any source that :func:`doldrum.data.read_stream` reads. Items that can't
    be read are listed under `skipped`, and the run continues without them.

    The summary has these fields, among others: `flagged`; `limit` (the largest number of flags that is consistent with
    the promised rate, 95%); `discoveries` (Benjamini-Hochberg at `fdr`); `note`; `watch`; `suspicious`; and
    `mean_forwards`, the mean number of forward passes per input. `suspicious` is true if there are more flags than the
    limit, if there are discoveries, or if the watch found more flags than the promised rate allows.

    `watch` says whether the promised rate still holds for these images. The values in `watch` are `kind`, `words` and
    `alpha` of a :class:`~doldrum.detectors.deploy.watch.WatchVerdict`. The watch receives the images in a random order,
    which is always the same. The order of the images in their folder is not used, because images are often sorted by
    class. Because the watch's order is random, the watch can't say when a change happened.
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
    """While the block runs, each batch also advances the progress bar."""
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
    """Scan the missing shards, and write the summary into the manifest."""
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
    """Yield the result of each part of the images, which equals the result of `Detector.scan` for this part. One set of
    workers processes all parts, in the batches that `Detector.scan` would use."""
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
    """The images from `start` up to `stop`, in memory."""
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
    """The fields of a scan's summary that describe the calibrated detector and its promised false-positive rate."""
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
    """A hash of the detector, its calibration and its secret seed. The detector, its calibration, its seed and the
    images together decide the verdicts."""
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
    """Raise InputError unless the folder `out` can be written to. The folder must be new or empty, or must hold a
    finished or unfinished scan."""
    folder = Path(out)
    if holds_files(folder) and _read(folder) is None:
        raise _something_else(folder)
    check_folder_writable(folder)
    return folder


def is_unfinished(out: str | Path) -> bool:
    """Whether `out` holds an interrupted scan that can be continued."""
    found = _read(Path(out))
    return found is not None and found.get("complete") is not True


def _something_else(folder: Path) -> InputError:
    return InputError(
        f"expected a new or empty folder, or the folder of this scan, got {folder}, which holds something else; name another with --out"
    )


def _differing(found: dict[str, Any], manifest: dict[str, Any]) -> str:
    """The settings in which two scans differ. A manifest holds only hashes of the seed and the images, so the text does
    not say how these differ."""
    told = [
        f"{name}={manifest[name]} (it began with {name}={found.get(name)})"
        for name in ("fdr", "fpr", "detector", "inputs")
        if found.get(name) != manifest[name]
    ]
    return ", ".join(told) or "other images, or another detector's file"


def _read(folder: Path) -> dict[str, Any] | None:
    """Read the manifest of a scan. The result is None if there is no manifest."""
    try:
        found = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if is_object(found) and found.get("format") == FORMAT else None


def _finished(folder: Path, manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The complete shards of an earlier run of this scan, finished or interrupted. A new or empty folder has no
    shards."""
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
                f"expected the shard {shard['file']} in {folder} to be unchanged, got a missing or damaged shard; this shard and "
                f"all shards after it ({len(listed) - number - 1}) are scanned again",
                stacklevel=4,
            )
            break
        sound.append(shard)
    return sound


def _write(folder: Path, manifest: dict[str, Any]) -> None:
    write_text_whole(folder / _MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False, default=str) + "\n")
