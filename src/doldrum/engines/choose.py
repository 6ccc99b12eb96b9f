"""Choosing an engine, and checking that its labels are those of the classifier itself."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import asdict, dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier, labels_of
from doldrum.engines import openvino as ov_engine
from doldrum.engines.base import Engine
from doldrum.engines.direct import DirectEngine
from doldrum.errors import DoldrumError, InputError

__all__ = ["ENGINES", "MIN_AGREEMENT", "EngineChoice", "choose_engine"]

ENGINES = ("auto", "eager", "openvino", "openvino-bf16", "openvino-fp32")
MIN_AGREEMENT = 0.98
"""`auto` falls back to a more exact engine when fewer of the checked labels than this equal those of fp32."""


@dataclass(frozen=True)
class EngineChoice:
    """What was chosen and how its labels agree with the classifier's own fp32 ones on the caller's inputs."""

    engine: str
    precision: str
    agreement: float
    checked: int
    mixes_inputs: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


_built: WeakKeyDictionary[Classifier, dict[tuple[str, str, int, str], Engine]] = WeakKeyDictionary()


def choose_engine(
    classifier: Classifier, engine: str, *, rows: int, sample: NDArray[np.float32]
) -> tuple[Engine, EngineChoice]:
    """Build the engine asked for, or for "auto" the fastest that agrees with fp32, and say how it agrees.

    `sample` are float32 images (B, C, H, W), perturbed ones of the caller's among them. "auto" takes OpenVINO in bf16 where the
    CPU multiplies bf16 in hardware, then OpenVINO in fp32, then the classifier itself: the first that can be built and whose
    labels agree on at least `MIN_AGREEMENT` of the sample. An engine asked for by name is used whatever its agreement,
    with a warning below that.
    """
    if engine not in ENGINES:
        raise InputError(f"expected an engine of {', '.join(ENGINES)}, got {engine!r}")
    reference = labels_of(DirectEngine(classifier, rows=rows)(sample))
    automatic = engine == "auto"
    for name, precision in _candidates(classifier, engine):
        try:
            built = _build(classifier, name, precision, rows)
            outputs = built(sample)
        except DoldrumError:
            # A traced graph may turn out broken only when it runs. The classifier itself has no excuse.
            if automatic and name != "eager":
                continue
            raise
        agreement = float((labels_of(outputs) == reference).mean())
        if agreement < MIN_AGREEMENT and automatic and name != "eager":
            continue
        if agreement < MIN_AGREEMENT:
            warnings.warn(
                f"expected {name} ({precision}) to agree with fp32 on {MIN_AGREEMENT:.0%} of labels, got {agreement:.1%}; "
                "use engine='eager' for the reference",
                stacklevel=3,
            )
        choice = EngineChoice(name, precision, agreement, len(sample), _rows_independent(built, sample, outputs))
        return built, choice
    raise AssertionError("unreachable: the classifier itself is always the last candidate")


def _candidates(classifier: Classifier, engine: str) -> list[tuple[str, str]]:
    if engine == "eager":
        return [("eager", "fp32")]
    if engine != "auto":
        return [("openvino", engine.partition("-")[2] or ov_engine.best_precision())]
    found = []
    if ov_engine.supports(classifier) and importlib.util.find_spec("openvino") and _on_cpu(classifier):
        found = [("openvino", p) for p in dict.fromkeys((ov_engine.best_precision(), "fp32"))]
    return [*found, ("eager", "fp32")]


def _on_cpu(classifier: Classifier) -> bool:
    device = getattr(classifier, "device", None)
    return device is None or device.type == "cpu"


def _build(classifier: Classifier, name: str, precision: str, rows: int) -> Engine:
    if name == "eager":
        return DirectEngine(classifier, rows=rows)
    cache = _built.setdefault(classifier, {})
    # The fingerprint guards against weights that were changed since.
    key = (name, precision, rows, classifier.fingerprint)
    if key not in cache:
        for stale in [k for k in cache if k[3] != key[3]]:
            del cache[stale]
        cache[key] = ov_engine.OpenVINOEngine(classifier, rows=rows, precision=precision)
    return cache[key]


def _rows_independent(engine: Engine, sample: NDArray[np.float32], outputs: NDArray[Any]) -> bool:
    """Whether a row's output is bitwise the same in another row, among other neighbours."""
    backwards = engine(np.ascontiguousarray(sample[::-1]))[::-1]
    return bool(np.array_equal(backwards, outputs, equal_nan=outputs.dtype.kind == "f"))
