"""Keep on disk the batches that fit and calibrate have measured, so that an interrupted calibration can continue after
these batches."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.detectors.contract.detector import Detector
from doldrum.detectors.contract.evidence import Evidence
from doldrum.detectors.contract.measuring import Block, Each, Measured
from doldrum.detectors.contract.stages import Examined
from doldrum.files import write_text_whole, write_whole
from doldrum.locks import locked
from doldrum.measuring.checked import this_machine
from doldrum.responses import Responses

__all__ = ["holds_batches", "kept_batches"]

_STATE = "state.json"


@contextmanager
def kept_batches(
    detector: Detector, folder: Path, classifier: Classifier, images: Sequence[ImageSet], *, each: Each = map
) -> Generator[None, None, None]:
    """While the block runs, keep the results of the detector's batches in `folder`. Batches that are already in the
    folder are not measured again.

    `each` processes the batches. A kept batch is used only if detector, model, engine, machine and `images` (those of
    fit and of calibrate) are the same. If the folder belongs to another calibration, all files in the folder are
    deleted first. A secret seed is kept in the folder too, so that all batches use one seed. The folder is deleted when
    the block ends without an error, or if it holds no batch.
    """
    told = [
        detector.name, {k: repr(v) for k, v in detector.settings.items()}, detector.batch_size, classifier.fingerprint,
        [part.content_hash() for part in images], this_machine(),
    ]  # fmt: skip
    identity = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        before, asked = detector.each, detector.seed
        detector.seed = _begun(folder, identity, asked)
        detector.each = lambda work, blocks: _kept(work, blocks, folder, each)
        whole = False
        try:
            yield
            whole = True
        finally:
            detector.each, detector.seed = before, asked
            if whole or not holds_batches(folder):
                shutil.rmtree(folder, ignore_errors=True)


def holds_batches(folder: Path) -> bool:
    """Whether the folder holds measured batches. If a calibration is repeated, it does not measure these batches
    again."""
    return any(folder.glob("*.npz"))


def _begun(folder: Path, identity: str, asked: int | None) -> int:
    """Return the seed of the batches kept in the folder. If the batches belong to another calibration, delete them and
    make a new seed."""
    try:
        found: Any = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        if found["identity"] == identity:
            return int(found["seed"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    for path in folder.iterdir():
        path.unlink()
    folder.chmod(0o700)  # the seed is secret
    seed = secrets.randbits(63) if asked is None else asked
    write_text_whole(folder / _STATE, json.dumps({"identity": identity, "seed": seed}))
    return seed


def _kept(work: Any, blocks: Iterable[Block], folder: Path, each: Each) -> Iterator[Any]:
    """Yield the result of each batch. The results of the first batches are read from the folder, as far as they are
    there. All later batches are measured by `each(work, blocks)`."""
    stage = "fit" if isinstance(work, Measured) else "calibrate"
    choice = work.parts[0].checked.choice
    engine = f"{choice.engine} {choice.precision} {choice.mixes_inputs}"
    left, numbers = iter(blocks), itertools.count()
    for block in left:
        found = _read(folder / f"{stage}-{(number := next(numbers)):06d}.npz", engine)
        if found is None:
            left, numbers = itertools.chain([block], left), itertools.count(number)
            break
        yield _made(work, block, found)
    else:
        return
    for number, result in zip(numbers, each(work, left), strict=False):
        buffer = io.BytesIO()
        arrays: Any = {"engine": np.array(engine), **_arrays(result)}
        np.savez(buffer, **arrays)
        data = buffer.getvalue()
        write_whole(folder / f"{stage}-{number:06d}.npz", lambda draft, data=data: draft.write_bytes(data))
        yield result


def _read(path: Path, engine: str) -> dict[str, NDArray[Any]] | None:
    """Read the arrays of a batch that this engine measured. The result is None if the file holds no batch of this
    engine."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error):  # not there, or damaged
        return None
    return found if str(found.pop("engine", "")) == engine else None


def _arrays(result: Evidence | Examined) -> dict[str, NDArray[Any]]:
    if isinstance(result, Examined):
        return dict(vars(result))
    made: dict[str, NDArray[Any]] = {"labels": result.labels}
    if result.scores is not None:
        made["scores"] = result.scores
    for name, found in result.responses.items():
        made[f"draws {name}"] = found.draws
        made |= {f"readout {key} {name}": values for key, values in found.readouts.items()}
    return made


def _made(work: Any, block: Block, arrays: dict[str, NDArray[Any]]) -> Evidence | Examined:
    """Make the result of a batch again from the arrays that `_arrays` returned."""
    if not isinstance(work, Measured):
        return Examined(**arrays)
    images, ids = block
    run, scores = work.parts[0], arrays.get("scores")
    responses = {
        name: Responses(
            arrays[f"draws {name}"], arrays["labels"], probe.strengths, run.classifier.num_classes, ids, run.infos[name],
            None if scores is None else scores.astype(np.float32),
            {key: arrays[f"readout {key} {name}"] for key in run.readouts},
        )
        for part in work.parts for name, probe in part.battery.probes.items()
    }  # fmt: skip
    empty = np.empty((0, *images.shape[1:]), np.float32)
    return Evidence(empty, arrays["labels"], run.classifier.num_classes, responses, scores)
