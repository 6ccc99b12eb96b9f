"""Choose an engine, and check that its labels are those of the classifier itself."""

from __future__ import annotations

import importlib.util
import time
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier, labels_of
from doldrum.engines import openvino as ov_engine
from doldrum.engines import remembered
from doldrum.engines.base import Engine, HasEngines
from doldrum.engines.compiled import CompiledEngine
from doldrum.engines.direct import DirectEngine, own_precision
from doldrum.engines.onnxruntime import OnnxRuntimeEngine
from doldrum.engines.precision import best_precision
from doldrum.errors import DoldrumError, EngineError, InputError

__all__ = ["ENGINES", "MIN_AGREEMENT", "EngineChoice", "build_engine", "candidates", "check_engine", "choose_engine"]

ENGINES = (
    "auto", "eager", "openvino", "openvino-bf16", "openvino-fp32", "onnxruntime", "onnxruntime-fp32",
    "compile", "compile-bf16", "compile-fp32",
)  # fmt: skip
MIN_AGREEMENT = 0.98
"""The smallest allowed share of an engine's labels that equal the classifier's own labels. `auto` uses no engine whose
share of equal labels is smaller."""


@dataclass(frozen=True)
class EngineChoice:
    """The chosen engine, and the share of its labels that equal the classifier's own on the caller's inputs."""

    engine: str
    precision: str
    agreement: float
    checked: int
    mixes_inputs: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


_KINDS: dict[str, Any] = {
    "openvino": ov_engine.OpenVINOEngine,
    "onnxruntime": OnnxRuntimeEngine,
    "compile": CompiledEngine,
}
_built: list[tuple[tuple[str, str, int, str], Engine]] = []
_FEW = 8  # images that a costly classifier is checked on
_ALONE = 128  # images on which a classifier is compared with itself, where it has no other engine
_KEPT = 4  # engines kept for their classifier's next run: each holds its classifier and compiled weights


def check_engine(engine: str) -> None:
    """Raise InputError unless `engine` is the name of an engine."""
    if engine not in ENGINES:
        raise InputError(f"expected an engine among {', '.join(ENGINES)}, got {engine!r}; 'auto' picks one")


def choose_engine(
    classifier: Classifier, engine: str, *, rows: int, sample: NDArray[np.float32]
) -> tuple[Engine, EngineChoice]:
    """Build the requested engine, or for "auto" the fastest engine that agrees with the classifier itself. Return the
    engine and its agreement.

    `sample` holds float32 images (B, C, H, W), which include perturbed images of the caller. "auto" builds every engine
    that suits this machine, drops those whose labels agree on less than `MIN_AGREEMENT` of the sample, and times the
    others. A classifier whose own answers differ from one run to the next gets a warning. On a CPU, "auto" leaves out
    torch.compile, which takes about half a minute to compile.

    The choice is kept on disk by classifier, shape and machine (:mod:`doldrum.engines.remembered`). A later run on this
    machine uses the chosen engine without timing, if the engine's labels still agree with the classifier's. If the
    choice cannot be kept, the first engine that agrees is used, since the fastest one may differ from run to run. The
    other engines are not built then.

    An engine that is requested by name is used even if its agreement is low. If a one-sided binomial test at 5% shows
    that the agreement is below `MIN_AGREEMENT`, there is a warning. For example, one different label among 32 labels
    gives no warning.
    """
    check_engine(engine)
    suited = candidates(classifier) if engine == "auto" else [_named(classifier, engine)]
    if all(name == "eager" for name, _ in suited):
        return _itself(classifier, rows, sample)
    sample = sample[:_FEW] if classifier.costly else sample
    reference = labels_of(DirectEngine(classifier, rows=rows)(sample))
    if engine != "auto":
        ((name, precision),) = suited
        built = build_engine(classifier, name, precision, rows)
        outputs = built(sample)
        agreement = float((labels_of(outputs) == reference).mean())
        if _shown_to_differ(agreement, len(sample)):
            warnings.warn(
                f"expected {name} ({precision}) to give the same labels as the model itself for {MIN_AGREEMENT:.0%} of the images, got {agreement:.1%} "
                f"of {len(sample)} images; use engine='eager', which is the model itself",
                stacklevel=3,
            )
        return _chosen((built, outputs, agreement), sample)
    key = remembered.key(classifier.fingerprint, rows, sample.shape[1:], suited)
    known = remembered.recall(key) if len(suited) > 1 else None
    if known in suited:
        found = _agreeing(classifier, [known], rows, sample, reference)
        if found:
            return _chosen(found[0], sample)
    alone = len(suited) > 1 and known is None and not remembered.writable()
    found = _agreeing(classifier, suited, rows, sample, reference, first=alone)
    best = found[0] if len(found) == 1 else min(zip(_seconds(found, sample), found, strict=True), key=lambda f: f[0])[1]
    if len(suited) > 1 and known is None:
        kept = remembered.keep(key, (best[0].name, best[0].precision))
        # Another process that chose at the same moment was first: take what it took. Where nothing can be kept (a confined
        # process), what timing says would differ from run to run: take the best guess.
        best = next((f for f in found if (f[0].name, f[0].precision) == kept), best if kept else found[0])
    return _chosen(best, sample)


_Found = tuple[Engine, NDArray[Any], float]


def _agreeing(
    classifier: Classifier,
    suited: list[tuple[str, str]],
    rows: int,
    sample: NDArray[np.float32],
    reference: NDArray[np.int16],
    *,
    first: bool = False,
) -> list[_Found]:
    """The engines that can be built and that agree with the classifier, each with its outputs for the sample; or only
    the `first` of them. If the classifier itself fails, its error is raised."""
    found = []
    for name, precision in suited:
        try:
            built = build_engine(classifier, name, precision, rows)
            outputs = built(sample)
        except DoldrumError:
            # A traced graph may turn out broken only when it runs.
            if name != "eager":
                continue
            raise
        agreement = float((labels_of(outputs) == reference).mean())
        if name == "eager" or agreement >= MIN_AGREEMENT:
            found.append((built, outputs, agreement))
            if first:
                break
    return found


def _shown_to_differ(agreement: float, checked: int) -> bool:
    """Whether so few labels are equal that an engine with the true agreement `MIN_AGREEMENT` would show this in less
    than 5% of cases."""
    from scipy.special import bdtr

    return bool(bdtr(round(agreement * checked), checked, MIN_AGREEMENT) < 0.05)


def _seconds(found: list[_Found], sample: NDArray[np.float32]) -> list[float]:
    """For each engine, the shortest time of three passes over the sample. To favour the first engine, the times of all
    other engines are increased by a tenth. An engine that took more than twice the shortest time is not timed again."""
    best = [float("inf")] * len(found)
    for _ in range(3):
        for i, (built, _, _) in enumerate(found):
            if 2 * min(best) < best[i] < float("inf"):
                continue
            start = time.perf_counter()
            built(sample)
            best[i] = min(best[i], (time.perf_counter() - start) * (1.0 if i == 0 else 1.1))
    return best


def _chosen(found: _Found, sample: NDArray[np.float32]) -> tuple[Engine, EngineChoice]:
    built, outputs, agreement = found
    if built.name == "eager" and agreement < 1:
        _say_that_answers_change(agreement)
    independent = _rows_independent(built, sample, outputs)
    return built, EngineChoice(built.name, built.precision, agreement, len(sample), independent)


def _itself(classifier: Classifier, rows: int, sample: NDArray[np.float32]) -> tuple[Engine, EngineChoice]:
    """Use the classifier itself as engine. There is no other engine to compare with, so some images are run again, in
    another order."""
    built = DirectEngine(classifier, rows=rows)
    most = _FEW if classifier.costly else _ALONE
    sample = sample[np.unique(np.linspace(0, len(sample) - 1, min(most, len(sample))).astype(int))]
    outputs, agreement = built(sample), 1.0
    independent = _rows_independent(built, sample, outputs)
    if not independent:  # rows that mix, or answers that change
        agreement = float((labels_of(built(sample)) == labels_of(outputs)).mean())
        if agreement < 1:
            _say_that_answers_change(agreement)
    return built, EngineChoice(built.name, built.precision, agreement, len(sample), independent)


def _say_that_answers_change(agreement: float) -> None:
    warnings.warn(
        f"expected the same labels for the same images twice, got different labels for {1 - agreement:.1%} of the images: the model's answers change from one run "
        "to the next, which adds to W, and no detector can promise a false-positive rate; fix the model's seed or state, unless you want to measure this",
        stacklevel=5,
    )


def _named(classifier: Classifier, engine: str) -> tuple[str, str]:
    """The engine and precision of a name such as "openvino-fp32". If the name has no precision, the best precision is
    used."""
    name, _, precision = engine.partition("-")
    if name in ("openvino", "compile"):
        return name, precision or best_precision(getattr(classifier, "device", None))
    return name, own_precision(classifier) if name == "eager" else "fp32"


def candidates(classifier: Classifier) -> list[tuple[str, str]]:
    """The pairs (engine, precision) that "auto" compares: the best guess first, the classifier itself last."""
    if isinstance(classifier, HasEngines):
        return classifier.candidates()
    found = []
    if own_precision(classifier) != "fp32" or _one_by_one(classifier):
        return [("eager", own_precision(classifier))]  # others take fp32, and whole tiles
    if ov_engine.supports(classifier) and _on_cpu(classifier):
        if importlib.util.find_spec("openvino"):
            found = [("openvino", p) for p in dict.fromkeys((best_precision(), "fp32"))]
        if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
            found.append(("onnxruntime", "fp32"))
    elif hasattr(classifier, "module"):
        found = [("compile", p) for p in dict.fromkeys((best_precision(getattr(classifier, "device", None)), "fp32"))]
    return [*found, ("eager", "fp32")]


def _on_cpu(classifier: Classifier) -> bool:
    device = getattr(classifier, "device", None)
    return device is None or device.type == "cpu"


def _one_by_one(classifier: Classifier) -> bool:
    return getattr(classifier, "one_by_one", False)


def build_engine(classifier: Classifier, name: str, precision: str, rows: int) -> Engine:
    """Build the engine with this name and precision. The engines that were built last are kept in memory, and reused if
    the same classifier runs again."""
    if name == "eager":
        return DirectEngine(classifier, rows=rows)
    if _one_by_one(classifier):
        raise EngineError(
            f"expected a module that takes several images at once for {name}, got a module that takes one image at a time; use engine='eager'"
        )
    if (own := own_precision(classifier)) != "fp32":
        raise EngineError(
            f"expected an fp32 module for {name}, got a module of {own}; use engine='eager', or convert it with model.float()"
        )
    # The fingerprint guards against weights that were changed since.
    key = (name, precision, rows, classifier.fingerprint)
    for i, (known, engine) in enumerate(_built):
        if known == key and engine.classifier is classifier:
            _built.append(_built.pop(i))
            return engine
    if isinstance(classifier, HasEngines):
        engine = classifier.make_engine(name, precision, rows)
    else:
        engine = _KINDS[name](classifier, rows=rows, precision=precision)
    _built.append((key, engine))
    del _built[:-_KEPT]
    return engine


def _rows_independent(engine: Engine, sample: NDArray[np.float32], outputs: NDArray[Any]) -> bool:
    """Whether an image's output keeps exactly the same bits if the image moves to another row of the tile, next to
    other images."""
    # Backwards alone, full batches would keep their company; where all fit into one, half of it stays away.
    order = np.roll(np.arange(len(sample))[::-1], engine.rows // 2)
    order = order[: (len(order) + 1) // 2] if len(order) <= engine.rows else order
    again = engine(np.ascontiguousarray(sample[order]))
    return bool(np.array_equal(again, outputs[order], equal_nan=outputs.dtype.kind == "f"))
