"""Open somebody else's scikit-learn pipeline with skops. Only types that are known not to run code from the file are allowed."""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.adapters.function import FunctionClassifier
from doldrum.classifiers.base import Outputs
from doldrum.errors import InputError, check_memory_left, missing_extra
from doldrum.intake import visible
from doldrum.suspects.base import Preprocessing, Suspect, class_names_of
from doldrum.suspects.zips import checked_zip

__all__ = ["estimator_suspect", "open_skops"]

_PLAIN = frozenset(
    [
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
    ]
)
"""Types that doldrum trusts in addition to the types that skops trusts. These types are scikit-learn classes that hold
only attributes.

Decision trees are not among these types, because their compiled code follows any index in the file.
"""


class _Estimator(FunctionClassifier):
    """An estimator that takes rows of pixels."""

    def __init__(self, function: Any, *, digest: str, **known: Any) -> None:
        super().__init__(function, **known)
        self._digest = digest

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the file and of the preprocessing of images."""
        return self._digest


def open_skops(
    path: str | os.PathLike[str], *, preprocessing: Preprocessing | None, outputs: Outputs | None
) -> Suspect:
    """Open a skops file; see `open_model`. Raises InputError for a file with a type that is not known to be harmless, and names this type."""
    shown = visible(path)
    checked_zip(path, shown)
    try:
        from skops import io
    except ImportError as error:
        raise missing_extra("skops", "skops", error) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            untrusted = sorted({*map(str, io.get_untrusted_types(file=str(path)))} - _PLAIN)
            if untrusted:
                raise InputError(
                    f"expected only scikit-learn types that are known to be harmless, got '{visible(untrusted[0], most=100)}' in {shown} "
                    f"({len(untrusted)} untrusted); export the pipeline as ONNX, or serve it over HTTP"
                )
            estimator = io.load(str(path), trusted=sorted(_PLAIN))
    except InputError:
        raise
    except Exception as error:  # a broken file raises many unrelated types
        check_memory_left(error)
        why = visible(str(error).partition("\n")[0], most=200)
        raise InputError(
            f"expected a skops file, got {shown}, which can't be read ({why}); the file is broken"
        ) from error
    return estimator_suspect(estimator, path, format="skops", preprocessing=preprocessing, outputs=outputs)


def estimator_suspect(
    estimator: Any,
    path: str | os.PathLike[str],
    *,
    format: str,
    preprocessing: Preprocessing | None,
    outputs: Outputs | None,
) -> Suspect:
    """Turn an estimator with `classes_` and `n_features_in_`, which was fitted on rows of pixels, into a Suspect."""
    shown, notes = visible(path), []
    classes, features = getattr(estimator, "classes_", None), getattr(estimator, "n_features_in_", None)
    if classes is None or np.ndim(classes) != 1 or not isinstance(features, (int, np.integer)):
        got = visible(type(estimator).__name__, most=60)
        raise InputError(f"expected a fitted scikit-learn classifier, got {got} in {shown}; save a fitted classifier")
    if preprocessing is None:
        preprocessing = _square(int(features), shown)
        notes.append(
            "the file doesn't say how images become features. Pixels were passed in [0, 1]. If the model expects other values, pass size=, mean= and std="
        )
    if math.prod(preprocessing.input_shape) != features:
        raise InputError(
            f"expected images of {features} values, because {shown} was fitted on such images, got images of shape {preprocessing.input_shape}"
        )
    scores = outputs != "labels" and hasattr(estimator, "predict_proba")
    numbers = {label: i for i, label in enumerate(np.asarray(classes).tolist())}
    shape = (1, -1, 1, 1)
    mean, std = (np.array(v, np.float32).reshape(shape) for v in (preprocessing.mean, preprocessing.std))

    def answer(images: NDArray[np.float32]) -> NDArray[Any]:
        images = images[:, ::-1] if preprocessing.channels == "bgr" else images
        rows = ((images * np.float32(preprocessing.scale) - mean) / std).reshape(len(images), -1)
        if scores:
            return np.asarray(estimator.predict_proba(rows))
        return np.array([numbers[label] for label in np.asarray(estimator.predict(rows)).tolist()], dtype=np.int64)

    digest = hashlib.sha256(Path(path).read_bytes() + repr(preprocessing).encode()).hexdigest()
    classifier = _Estimator(
        answer,
        digest=digest,
        input_shape=preprocessing.input_shape,
        num_classes=len(numbers),
        outputs="probabilities" if scores else "labels",
    )
    names = class_names_of([str(label) for label in numbers], len(numbers))
    return Suspect(
        classifier=classifier, format=format, preprocessing=preprocessing, class_names=names, notes=tuple(notes)
    )


def _square(features: int, shown: str) -> Preprocessing:
    orders: tuple[tuple[Literal["grey", "rgb"], int], ...] = (("grey", 1), ("rgb", 3))
    for channels, count in orders:
        side = math.isqrt(features // count)
        if count * side * side == features and side > 1:
            return Preprocessing(size=(side, side), channels=channels)
    raise InputError(f"expected square images, got {features} features in {shown}; pass size=")
