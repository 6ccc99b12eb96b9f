"""Scan shards (files of many images) on this machine or at addresses. Each shard is one job, and makes one Parquet file
of verdicts.

A shard whose Parquet file exists is not scanned again. The Parquet file appears only when it is complete, because S3
and Google's storage show no file before all its bytes have arrived. The name of the Parquet file depends only on the
shard's name, and the file's content only on detector and images. So if a shard is scanned twice, by a worker that
seemed dead or by two runs at once, the result is the same file.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from doldrum.checks import is_object
from doldrum.detectors.contract.detector import Detector
from doldrum.detectors.contract.measuring import Examining, blocks_of
from doldrum.detectors.contract.result import ScanResult
from doldrum.detectors.contract.stages import Examined
from doldrum.detectors.deploy.scanning import detector_identity, judged_by, part_of
from doldrum.detectors.deploy.tally import Tally, rows_of, summary_of, tally_of, tally_of_rows
from doldrum.errors import DoldrumError, InputError, StorageError
from doldrum.intake import visible
from doldrum.locks import locked
from doldrum.measuring.collected import StoredImages, called, collect_images
from doldrum.progress import progress_bar
from doldrum.remote import Shard, Shards, Store, find_shards, is_address, is_pattern, redacted, store_of
from doldrum.sandbox.folder import OwnFolder
from doldrum.spread import check_workers, results

__all__ = ["Resize", "is_sharded", "is_unfinished_at", "scan_shards"]

FORMAT, VERSION = "doldrum scan of shards", 1
Resize = Literal["stretch", "crop"]
_MANIFEST = "manifest.json"
_SUFFIXES = (".tar", ".tgz", ".zip", ".parquet", ".npz", ".npy", ".gz", ".bz2", ".xz", ".zst", "-ubyte")
_PIECE = 1024  # images in memory at a time
_LISTED = 1000  # items that could not be read are named, of a shard and of the whole scan
_PATIENCE = 20  # shards in a row that could not be had: the others hardly can
_SILENT = 2  # shards without an answer, before any work: each costs the patience of the library
_LOOK = 256  # images that model and engine may be checked on


def is_sharded(source: str, out: str | Path) -> bool:
    """Whether to scan shard by shard: true if the images are at an address, if a pattern names the images, or if the
    results go to an address."""
    return is_address(source) or is_pattern(source) or is_address(out)


def scan_shards(
    detector: Detector,
    source: str,
    out: str | Path,
    *,
    fdr: float = 0.1,
    resize: Resize = "stretch",
    progress: bool = True,
    extra: Any = None,
    workers: int | None = None,
    ray: str | None = None,
) -> dict[str, Any]:
    """Scan shards into one Parquet file of verdicts each, and return the summary, which is also in manifest.json.
    Shards are files of many images: WebDataset tars, zips, Parquet tables or npz files.

    Parameters
    ----------
    detector : Detector
        The detector, calibrated and bound to its classifier.
    source : str
        A pattern (`s3://bucket/shard-{000000..000099}.tar`), one shard, or a folder of shards at any depth, given as a
        path or an address.
    out : str or path
        The folder or address (s3://, gs://) for the results. The rows of `a/b.tar` are in `a/b.tar.parquet`: id, label,
        score, p_value, flag. The metadata of the Parquet file records the version of the shard that was scanned (its
        ETag), and what could not be read.
    workers, ray
        `workers` and `ray` mean the same as in :func:`~doldrum.detectors.deploy.scanning.scan_to`. Verdicts are bit for
        bit the same for any number of workers. Each worker reads shards and writes results itself, with the credentials
        of its machine.

    If you repeat the call, it scans only shards that have no result yet, or that have changed since. If the scan is
    finished, the call only reads the results. Memory holds 1,024 images and the rows of one shard, for any number of
    shards.

    Shards that cannot be fetched (deleted, no answer, changed while they were read) are listed under `failed`. If some
    shards cannot be fetched, all other shards are scanned, and `complete` is False. A damaged shard is not a failure:
    its result has the images before the damage, and `skipped` says why. After 20 shards in a row that cannot be
    fetched, the run ends.

    Before any work, raises InputError for a place that can't be read or written, or that holds another scan. Raises
    StorageError if the storage gives no answer, OSError when this machine's disk is full, and WorkerError when workers
    die repeatedly. Finished results are kept. Passwords and signatures in addresses never appear in messages, files or
    the summary.
    """
    check_workers(workers, ray=ray)
    if detector.calibration is None or detector.fitted_for is None:
        raise InputError(f"expected a calibrated detector, got {detector!r}; call calibrate(clean, fpr=0.01) first")
    shards = find_shards(source, wanted=lambda name: name.lower().endswith(_SUFFIXES))
    place = store_of(out)
    place.check_writable()
    shards.check_apart(source, out)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "complete": False,
        "identity": _identity(detector, shards, fdr, resize),
        **judged_by(detector, fdr),
        "shards": len(shards.shards),
        "images": redacted(source),
        **(extra or {}),
    }
    with _held(out):
        there = _check_place(place, manifest)
        work = ShardScan(Examining(detector, _runs(detector, shards)), shards, place, manifest["identity"], resize)
        jobs = ((shard, f"{shard.name}.parquet" in there) for shard in shards.shards)

        def each() -> Generator[dict[str, Any], None, None]:  # closed, it ends the workers
            yield from results(work, jobs, workers=workers, ray=ray, in_order=False)

        with progress_bar("scanning shards", len(shards.shards), show=progress) as advance, closing(each()) as found:
            manifest |= _summed_up(detector, found, manifest, advance)
        place.put(_MANIFEST, _json(manifest))
    return manifest


def is_unfinished_at(out: str | Path) -> bool:
    """Whether `out` holds a scan of shards that can be continued. The result is False if the folder or address cannot be read."""
    try:
        found = _manifest(store_of(out))
    except (DoldrumError, OSError):
        return False
    return found is not None and found.get("complete") is not True


@dataclass(frozen=True, eq=False)
class ShardScan:
    """Scans one shard and returns the values that the summary needs. Each worker gets a copy of this object. A job is a
    pair (shard, flag), where the flag says whether the shard seems to have a result already."""

    examining: Examining
    shards: Shards
    place: Store
    identity: str
    resize: Resize

    def __call__(self, job: tuple[Shard, bool]) -> dict[str, Any]:
        shard, seen = job
        try:
            if seen and (earlier := self._earlier(shard)) is not None:
                return earlier
            try:
                self.place.check_name(f"{shard.name}.parquet")
            except InputError as error:
                raise _Gone(str(error)) from None
            return self._done(shard)
        except (StorageError, _Gone) as error:
            return {"shard": shard.name, "failed": str(error)}

    def _earlier(self, shard: Shard) -> dict[str, Any] | None:
        """The metadata of the shard's earlier result, if it belongs to this scan and the shard has not changed
        since."""
        data = self.place.read(f"{shard.name}.parquet")
        told = None if data is None else _told(data)
        if told is None or told["identity"] != self.identity:
            return None
        try:
            now = shard.listed or self.shards.store.held(shard.name)
        except InputError as error:
            raise _Gone(str(error)) from None
        return told if told["tag"] == now.tag else None

    def _done(self, shard: Shard) -> dict[str, Any]:
        detector, folder = self._detector, OwnFolder()
        calibration = detector.calibration
        assert calibration is not None
        told: dict[str, Any] = {"format": FORMAT, "version": VERSION, "identity": self.identity, "shard": shard.name}
        frames, tally, forwards = [_no_rows()], Tally(), 0
        try:
            images, tag, skipped, note = self._images(shard, Path(folder.path))
            for result in [] if images is None else self._judged(images):
                frames.append(result.to_frame())
                tally += tally_of(calibration, result.labels, result.p_values)
                forwards += int(result.forwards.sum())
        finally:
            folder.remove()
        told |= {
            "tag": tag,
            "inputs": tally.total(),
            "forwards": forwards,
            "skipped": skipped[:_LISTED],
            "unlisted": max(0, len(skipped) - _LISTED),
            "note": note,
            "tally": rows_of(tally),
        }
        self.place.put(f"{shard.name}.parquet", _parquet(frames, told))
        return told

    def _images(self, shard: Shard, folder: Path) -> tuple[StoredImages | None, str, list[list[str]], str | None]:
        """Return the decoded images (None if no image could be read), the shard's tag, a pair (id, reason) for each
        unreadable item, and a note."""
        classifier = self._detector.classifier
        assert classifier is not None
        name = visible(shard.name)
        with ExitStack() as stack:
            try:
                file, tag = stack.enter_context(self.shards.here(shard))
            except InputError as error:
                raise _Gone(str(error)) from None
            try:
                found = collect_images(file, folder, shape=classifier.input_shape, resize=self.resize, progress=False)
            except InputError as error:
                why = str(error).replace(f"{visible(str(file))}: ", "", 1)
                return None, tag, [[name, why]], None
        ids = [called(name, file, id) for id in found.ids]
        skipped = [[called(name, file, id), why] for id, why in found.skipped]
        return StoredImages(found.path, ids, found.skipped), tag, skipped, found.note

    @property
    def _detector(self) -> Detector:
        detector = self.examining.detector
        assert isinstance(detector, Detector)
        return detector

    def _judged(self, images: StoredImages) -> Iterator[ScanResult]:
        detector = self._detector
        for start in range(0, len(images.ids), _PIECE):
            part = part_of(images, start, min(len(images.ids), start + _PIECE))
            seen = Examined.concatenate([self.examining(block) for block in blocks_of(part, detector.batch_size)])
            yield detector.judge(seen.labels, seen.scores, part, forwards=seen.forwards)


class _Gone(Exception):
    """Raised if a shard does not exist, or may not be read. The summary gives the error's text as the reason."""


def _summed_up(
    detector: Detector, found: Iterable[dict[str, Any]], manifest: dict[str, Any], advance: Any
) -> dict[str, Any]:
    """Make the summary from the workers' results for the shards, which arrive in any order."""
    calibration = detector.calibration
    assert calibration is not None
    tally, forwards, in_a_row, note = Tally(), 0, 0, None
    failed: list[dict[str, str]] = []
    skipped: list[dict[str, str]] = []
    unlisted = 0
    for one in found:
        advance(1)
        if "failed" in one:
            failed.append({"path": visible(one["shard"]), "reason": one["failed"]})
            in_a_row += 1
            if in_a_row >= min(_PATIENCE, manifest["shards"]):
                raise StorageError(
                    f"expected shards that can be read, got {in_a_row} in a row that cannot be read; the last: {one['failed']}"
                )
            continue
        in_a_row = 0
        tally += tally_of_rows(one["tally"])
        forwards += one["forwards"]
        unlisted += one["unlisted"]
        skipped += [{"path": name, "reason": why} for name, why in one["skipped"]]
        skipped, unlisted = skipped[:_LISTED], unlisted + max(0, len(skipped) - _LISTED)
        note = note or (one["note"] and f"{visible(one['shard'])}: {one['note']}")
    inputs = tally.total()
    if not inputs:
        first = (failed or skipped)[0]
        raise InputError(
            f"expected at least one image that can be read, got none; the first unreadable file is {first['path']}: {first['reason']}"
        )
    return {
        "complete": not failed,
        "inputs": inputs,
        "failed": sorted(failed, key=lambda one: one["path"]),
        "skipped": sorted(skipped, key=lambda one: one["path"]),
        "unlisted": unlisted,
        "fitted": note,
        **summary_of(calibration, tally, manifest["fdr"]),
        "mean_forwards": forwards / inputs,
    }


def _runs(detector: Detector, shards: Shards) -> Any:
    """Prepare the detector's measurements. If model and engine must be checked again, the images for this check come
    from the first shard that has images."""
    shape, last, silent = detector.fitted_for, None, 0
    assert shape is not None
    for shard in shards.shards[:_PATIENCE]:
        folder = OwnFolder()
        try:
            with shards.here(shard) as (file, _):
                found = collect_images(file, folder.path, shape=shape[1], limit=_LOOK, progress=False)
                return detector.stage_runs(part_of(found, 0, len(found.ids)))
        except (InputError, StorageError) as error:
            last, silent = error, silent + isinstance(error, StorageError)
            if silent == _SILENT:
                break
        finally:
            folder.remove()
    assert last is not None
    raise last


@contextmanager
def _held(out: str | Path) -> Generator[None, None, None]:
    """Lock a folder, so that only one run writes to it. Storage at an address has no locks, and needs none."""
    if not is_address(out):
        Path(out).mkdir(parents=True, exist_ok=True)
    with nullcontext() if is_address(out) else locked(out):
        yield


def _check_place(place: Store, manifest: dict[str, Any]) -> set[str]:
    """Return the names of the files in the folder or address for the results. Raises InputError unless the place is new
    or holds this scan, and can be written."""
    there, found = set(place.listed()), _manifest(place)
    if found is None and there:
        raise InputError(
            f"expected a new or empty place, or the place of this scan, got {place.shown()}, which holds something else; name another with --out"
        )
    if found is not None and found.get("identity") != manifest["identity"]:
        raise InputError(
            f"expected the scan that {place.shown()} holds, got a scan with another detector, fdr or source; run the earlier scan again to continue it, or name another place with --out"
        )
    if found is None or not found.get("complete"):
        place.put(_MANIFEST, _json(manifest))
    return there


def _manifest(place: Store) -> dict[str, Any] | None:
    try:
        found = json.loads(place.read(_MANIFEST) or b"null")
    except (ValueError, RecursionError):
        return None
    return found if is_object(found) and found.get("format") == FORMAT else None


def _identity(detector: Detector, shards: Shards, fdr: float, resize: Resize) -> str:
    """A hash of everything that decides the results, except the content of the shards. The version of a shard's content
    is stored in the result of this shard."""
    return hashlib.sha256(detector_identity(detector, fdr) + f"{resize} {shards.store.shown()}".encode()).hexdigest()


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n").encode("utf-8", "backslashreplace")


def _no_rows() -> pd.DataFrame:
    import numpy as np

    none = np.zeros(0)
    return ScanResult([], none.astype(np.int16), none, none, none.astype(bool), 0.5, 1, 0).to_frame()


def _parquet(frames: list[pd.DataFrame], told: dict[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pd.concat([f for f in frames if len(f)] or frames, ignore_index=True)
    table = pa.Table.from_pandas(rows, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"doldrum": json.dumps(told).encode()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _told(data: bytes) -> dict[str, Any] | None:
    """The metadata of a result file. The metadata is None if the file is damaged, or is not a result file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(data), pre_buffer=False) as file:
            told = json.loads((file.schema_arrow.metadata or {}).get(b"doldrum", b"null"))
            tally = tally_of_rows(told["tally"])
            if told["format"] != FORMAT or file.metadata.num_rows != tally.total() or told["inputs"] != tally.total():
                return None
            file.read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return told
