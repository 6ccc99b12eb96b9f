"""A detector as one file: a zip of JSON and .npy arrays. Nothing is pickled. Hostile files can be read safely."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_list, is_object
from doldrum.classifiers.base import Classifier
from doldrum.detectors.contract.calibration import Calibration
from doldrum.detectors.contract.detector import Detector
from doldrum.detectors.kinds import DETECTORS
from doldrum.engines import ENGINES
from doldrum.errors import InputError
from doldrum.files import write_whole
from doldrum.measuring import Checked
from doldrum.probes import Probe, probe_from_dict

__all__ = ["load_detector", "save_detector"]

FORMAT, VERSION = "doldrum detector", 6
_MANIFEST = "detector.json"
_MOST_ENTRIES, _MOST_TEXT, _MOST_BYTES = 256, 1 << 20, 1 << 30
_MOST_FORWARDS = 1_000_000
_FIELDS = {
    "format", "version", "detector", "settings", "learned", "seed", "engine",
    "checked", "classifier", "preprocessing", "input_shape", "num_classes", "fpr", "arrays",
}  # fmt: skip


def save_detector(detector: Detector, path: str | Path, *, preprocessing: Mapping[str, Any] | None = None) -> Path:
    """Write a fitted detector, with its calibration if it has one. The file does not contain the classifier.

    `preprocessing` says how the classifier was opened (:attr:`doldrum.opening.ModelSettings.preprocessing`), in a few
    values that JSON can hold. These values are kept as `detector.preprocessing`, so that the classifier can be opened
    again in the same way.

    The file holds the detector's secret seed. Do not show the file to anyone who may send inputs.
    """
    classifier, calibration = detector.classifier, detector.calibration
    if classifier is None:
        raise InputError(f"expected a fitted detector, got {detector!r}; call fit(classifier, clean) first")
    if Path(path).is_dir():
        raise InputError(f"expected a file to write the detector to, got the folder {path}; name a file in it")
    arrays: dict[str, NDArray[Any]] = {}
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "detector": detector.name,
        "settings": {k: _plain(v, f"settings.{k}", arrays) for k, v in detector.settings.items()},
        "learned": {k: _plain(getattr(detector, k), f"learned.{k}", arrays) for k in detector.learned},
        "seed": detector.seed_,
        "engine": detector.engine,
        "checked": None if detector.checked is None else detector.checked.to_dict(),
        "classifier": classifier.fingerprint,
        "preprocessing": dict(preprocessing if preprocessing is not None else detector.preprocessing),
        "input_shape": list(classifier.input_shape),
        "num_classes": classifier.num_classes,
        "fpr": None if calibration is None else calibration.fpr,
    }
    if len(detector.fitted_on):
        arrays["fit.ties"] = detector.fitted_on
    if calibration is not None:
        arrays |= {"calibration.scores": calibration.scores, "calibration.ties": calibration.ties}
        if calibration.groups is not None:
            arrays["calibration.groups"] = calibration.groups
    text = json.dumps({**manifest, "arrays": sorted(arrays)}, indent=2, allow_nan=False)

    def write(draft: Path) -> None:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(_MANIFEST, text)
            for name, array in arrays.items():
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
                file.writestr(f"{name}.npy", buffer.getvalue())

    return write_whole(path, write)


def load_detector(path: str | Path, classifier: Classifier | None = None) -> Detector:
    """Read a detector that `save_detector` wrote, and bind it to the classifier it was fitted on.

    Without `classifier`, you can inspect the detector, and bind it later with `detector.bind(classifier)`.

    A hostile file can be read safely: sizes are limited, nothing is unpickled, and unknown fields and detectors are
    refused. But anyone who can change the file can change the promised rate. Keep the file where only you can write.

    Raises InputError if the file is not a detector's file, or if the classifier's weights differ from those of the
    classifier used in `fit`.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(
            f"expected a detector's file, got {path}, which is not there; doldrum calibrate writes such a file"
        )
    try:
        manifest, arrays = _read(file)
        detector = _rebuilt(manifest, arrays)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # zipfile, zlib, tokenize and NumPy each raise their own for damaged bytes
        raise InputError(
            f"{path}: expected a detector's file, got one that cannot be read: {error}; calibrate again"
        ) from error
    return detector if classifier is None else detector.bind(classifier)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    with zipfile.ZipFile(path) as file:
        names = [i.filename for i in file.infolist()]
        if len(names) > _MOST_ENTRIES or len(set(names)) != len(names) or _MANIFEST not in names:
            raise InputError(
                f"expected at most {_MOST_ENTRIES} entries with different names, one of them {_MANIFEST}, got {len(names)} entries"
            )
        with file.open(_MANIFEST) as entry:
            text = entry.read(_MOST_TEXT + 1)
        if len(text) > _MOST_TEXT:
            raise InputError(f"expected an entry {_MANIFEST} of at most {_MOST_TEXT} bytes, got a larger entry")
        manifest = json.loads(text)
        if not is_object(manifest) or manifest.get("format") != FORMAT:
            raise InputError(
                f"expected a file of the format {FORMAT!r}, got another format; doldrum calibrate writes such a file"
            )
        if manifest.get("version") != VERSION:
            raise InputError(
                f"expected a file of version {VERSION}, got version {manifest.get('version')!r}; use the version of doldrum that wrote the file"
            )
        if set(manifest) != _FIELDS:
            odd = sorted(set(manifest) ^ _FIELDS)
            raise InputError(f"expected the fields of a detector, got unknown or missing fields: {', '.join(odd)}")
        if sorted(f"{n}.npy" for n in manifest["arrays"]) != sorted(set(names) - {_MANIFEST}):
            raise InputError("expected the arrays that the file lists, got arrays that differ from the list")
        left = _MOST_BYTES
        arrays: dict[str, NDArray[Any]] = {}
        for name in manifest["arrays"]:
            with file.open(f"{name}.npy") as entry:
                arrays[name] = _array(entry, name, left)
            left -= arrays[name].nbytes
        return manifest, arrays


def _array(entry: IO[bytes], name: str, most: int) -> NDArray[Any]:
    """Read one .npy array of at most `most` bytes. The array's header is checked against the number of bytes that
    follow it."""
    version = np.lib.format.read_magic(entry)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(
        version
    )
    if read_header is None:
        raise InputError(f"expected an array of format 1 or 2 in {name}, got {version}")
    shape, fortran, dtype = read_header(entry)
    if dtype.kind not in "iufb" or fortran or len(shape) > 8:
        raise InputError(f"expected an array of numbers in {name}, got an array of type {dtype} and shape {shape}")
    size = dtype.itemsize * int(np.prod([int(s) for s in shape], dtype=object))
    if not 0 <= size <= most:
        raise InputError(f"expected arrays of at most {_MOST_BYTES} bytes together, got more in {name}")
    data = entry.read(size)
    if len(data) != size or entry.read(1):
        raise InputError(f"expected {size} bytes in the array {name}, got another number of bytes")
    return np.frombuffer(data, dtype=dtype).reshape(shape).copy()


def _rebuilt(manifest: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Detector:
    kind = DETECTORS.get(manifest["detector"]) if isinstance(manifest["detector"], str) else None
    if kind is None:
        raise InputError(
            f"expected a detector among {', '.join(DETECTORS)}, got {manifest['detector']!r}; add your own detector class to doldrum.detectors.DETECTORS"
        )
    rest = dict(arrays)
    detector = kind(**{k: _value(v, rest) for k, v in dict(manifest["settings"]).items()})
    learned = dict(manifest["learned"])
    if set(learned) != set(kind.learned):
        raise InputError(
            f"expected the values that the detector {kind.name} learns ({', '.join(kind.learned)}), got the values {', '.join(learned)}"
        )
    for name, value in learned.items():
        setattr(detector, name, _value(value, rest))
    seed, shape, engine = manifest["seed"], manifest["input_shape"], manifest["engine"]
    whole = [seed, manifest["num_classes"], *shape]
    if not all(type(n) is int and n >= 0 for n in whole) or len(shape) != 3 or engine not in ENGINES:
        raise InputError(
            f"expected a seed, an input shape and an engine, got the seed {seed!r}, the shape {shape!r} and the engine {engine!r}"
        )
    detector.seed_, detector.engine = seed, engine
    detector.preprocessing = _plainly(manifest["preprocessing"])
    detector.checked = None if manifest["checked"] is None else Checked.from_dict(manifest["checked"])
    detector.fitted_for = (str(manifest["classifier"]), (shape[0], shape[1], shape[2]), manifest["num_classes"])
    detector.check_learned(detector.fitted_for[1], detector.fitted_for[2])
    if detector.forwards > _MOST_FORWARDS:
        raise InputError(f"expected at most {_MOST_FORWARDS} forward passes per input, got {detector.forwards}")
    if "fit.ties" in rest:
        detector.fitted_on = rest.pop("fit.ties")
        if detector.fitted_on.ndim != 1 or detector.fitted_on.dtype != np.float64:
            raise InputError(
                f"expected the tie breakers of fit as a float64 array with one axis, got an array of type {detector.fitted_on.dtype} and shape {detector.fitted_on.shape}; fit again"
            )
    if manifest["fpr"] is not None:
        scores, ties = rest.pop("calibration.scores"), rest.pop("calibration.ties")
        groups = rest.pop("calibration.groups", None)
        detector.calibration = Calibration(scores, ties, fpr=float(manifest["fpr"]), seed=seed, groups=groups)
    if rest:
        raise InputError(f"expected no arrays except those of the detector, got {', '.join(rest)}")
    return detector


def _plainly(told: Any) -> dict[str, Any]:
    """Check that the description of how the classifier was opened holds only short texts and numbers, or lists of them.
    The values in the description are checked when the classifier is opened."""
    if not is_object(told) or len(told) > 32:
        raise InputError("expected a small object that says how the classifier was opened, got something else")
    for value in told.values():
        for one in value if is_list(value) else [value]:
            if not isinstance(one, (str, int, float)) or (isinstance(one, str) and len(one) > 1000):
                raise InputError(
                    f"expected short texts and numbers that say how the classifier was opened, got a value that is neither ({type(one).__name__})"
                )
    return told


def _plain(value: Any, name: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """Convert `value` to JSON. Each array in `value` is stored in `arrays`, and the JSON has the array's name in its
    place."""
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"array": name}
    if isinstance(value, Probe):
        return {"probe": value.to_dict()}
    if isinstance(value, dict):
        return {"dict": {str(k): _plain(v, f"{name}.{k}", arrays) for k, v in cast("dict[Any, Any]", value).items()}}
    if isinstance(value, (list, tuple)):
        return [_plain(v, f"{name}.{i}", arrays) for i, v in enumerate(cast("list[Any]", value))]
    return cast("Any", value.item()) if isinstance(value, np.generic) else value


def _value(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """Convert JSON that `_plain` wrote back to the original value. Each array that is used is removed from `arrays`."""
    if is_list(value):
        return tuple(_value(v, arrays) for v in value)
    if not is_object(value):
        return value
    if len(value) != 1:
        raise InputError(
            f"expected an object that describes an array, a probe or a dict, got an object with the fields {', '.join(map(str, value))}"
        )
    ((what, inside),) = value.items()
    if what == "array":
        return arrays.pop(inside)
    if what == "probe":
        return probe_from_dict(inside)
    if what == "dict":
        return {k: _value(v, arrays) for k, v in cast("dict[str, Any]", dict(inside)).items()}
    raise InputError(
        f"expected an object that describes an array, a probe or a dict, got an object that describes {what!r}"
    )
