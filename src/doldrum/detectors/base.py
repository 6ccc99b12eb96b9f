"""Detector: probes and a score on their Responses; fit, calibrate and scan are written once, here."""

from __future__ import annotations

import inspect
import secrets
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_number
from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet, to_float
from doldrum.detectors.calibration import Calibration
from doldrum.detectors.definition import check_definition, check_learned, check_probes
from doldrum.detectors.evidence import Evidence, base_outputs
from doldrum.detectors.result import ScanResult
from doldrum.engines import ENGINES
from doldrum.errors import ClassifierError, EngineError, InputError, MissingExtraError, missing_extra
from doldrum.measuring import Measurement
from doldrum.measuring.checks import check_shape
from doldrum.probes import Probe
from doldrum.responses import Responses
from doldrum.seeds import child_seed
from doldrum.stats import conformal

__all__ = ["Detector", "Needs"]

Needs = Literal["labels", "scores", "weights"]
_BATCH = 256  # inputs in memory at a time


class Detector(ABC):
    """Gives every input a score, higher = more suspicious, and a promise about false alarms.

    `fit(classifier, clean_a).calibrate(clean_b, fpr=0.01).scan(images)`. A subclass states what it is in class
    attributes and writes two hooks, `probes` and `score`; `prepare` and `learn` where it takes something from the clean
    inputs of `fit`.

    Settings (the arguments of `__init__`) are kept under their own names; what is taken from clean inputs is kept in the
    attributes that `learned` names, each ending in "_", as numbers, strings or arrays. Both are saved.

    Parameters
    ----------
    seed : int, optional
        Seed of the probes' draws and of the tie breakers. By default secret and fresh at each `fit`, since an attacker
        who knew the draws could train against them; it is recorded in `seed_` and in the saved detector. A number makes
        the detector repeatable. One seed serves fit, calibration and scans: the score is then one fixed function of the
        image, which is what the promise rests on.
    """

    name: ClassVar[str]
    """Its id, in saved files and on the command line."""
    needs: ClassVar[Needs] = "labels"
    """What the classifier must give: labels, scores, or a torch module whose weights can be changed."""
    paper: ClassVar[str] = ""
    """Title, year, arXiv number or DOI."""
    readouts: ClassVar[tuple[str, ...]] = ()
    """Readouts of every draw that `score` looks at: "entropy", "confidence", "change" (see :func:`doldrum.measure`)."""
    learned: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that `prepare` and `learn` set."""

    def __init__(self, *, seed: int | None = None) -> None:
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0):
            raise InputError(f"expected a whole number of at least 0 as seed, or None for a secret one, got {seed!r}")
        self.seed = None if seed is None else int(seed)
        self.seed_: int | None = self.seed
        self.classifier: Classifier | None = None
        self.calibration: Calibration | None = None
        self.engine = "auto"
        self.batch_size = _BATCH
        """Inputs measured at a time; changes nothing but memory and how often `on_batch` is called."""
        self.on_batch: Callable[[int], None] | None = None
        """Called with the number of inputs of each batch when it has been measured: for progress."""
        self.fitted_for: tuple[str, tuple[int, int, int], int] | None = None
        self.fitted_on: NDArray[np.float64] = np.zeros(0)
        """Tie breakers of the inputs of `fit`, by which `calibrate` knows them again."""

    # What a subclass writes

    @abstractmethod
    def probes(self) -> Mapping[str, Probe]:
        """Name -> probe; may depend on what was learned. Take each probe's seed from `self.probe_seed(name)`."""

    @abstractmethod
    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        """(N,), higher = more suspicious. Each input's score depends on that input alone, not on others in `evidence`.

        NaN (nothing to judge by) becomes infinity: an input that the classifier can't answer is the most suspicious.
        """

    def prepare(self, classifier: Classifier, clean: ImageSet) -> None:  # noqa: B027  (most have nothing to prepare)
        """Take from the clean inputs what `probes` needs: a strength, a pool of images."""

    def learn(self, evidence: Evidence) -> None:  # noqa: B027  (likewise)
        """Take from the clean inputs' responses what `score` needs; not measured where this isn't overridden."""

    def check_learned(self, input_shape: tuple[int, int, int], num_classes: int) -> None:  # noqa: B027
        """Raise InputError unless what was learned, read from a file that may be hostile, has its right shapes."""

    # What users call

    def fit(self, classifier: Classifier, clean: ImageSet | NDArray[Any]) -> Self:
        """Bind to a classifier, and learn from clean inputs what the detector needs.

        Raises ClassifierError where the classifier doesn't give what `needs` says, and InputError for images of another
        shape than it takes, before any work. A detector whose `fit` failed or was interrupted is not fitted, whatever it was before.
        """
        check_definition(self)
        self.check_classifier(classifier)
        images = as_set(clean)
        check_shape(images.input_shape, classifier.input_shape)
        self.classifier, self.calibration, self.engine = classifier, None, "auto"
        self.fitted_for = (classifier.fingerprint, classifier.input_shape, classifier.num_classes)
        self.seed_ = secrets.randbits(63) if self.seed is None else self.seed
        try:
            self.prepare(classifier, images)
            if type(self).learn is not Detector.learn:
                self.learn(_joined(self.measure(images), images))
            check_learned(self)
        except BaseException:
            self.classifier = self.fitted_for = None
            raise
        self.fitted_on = np.unique(conformal.tie_breakers(images.images, self.seed_))
        return self

    def calibrate(self, clean: ImageSet | NDArray[Any], *, fpr: float = 0.01, per_class: bool = False) -> Self:
        """Promise a false-positive rate: of clean inputs like these, at most `fpr` are flagged on average.

        `per_class=True` promises it for the inputs of each predicted class by themselves (Mondrian calibration); every
        class that is ever predicted then needs enough calibration inputs.

        Raises InputError before any work where the inputs are too few, with the number needed, or where they were used to
        fit. Use clean inputs as they come, unfiltered: also those that the classifier gets wrong.
        """
        seed, images = self._fitted(), self.taken(clean)
        if not is_number(fpr):
            raise InputError(f"expected a false-positive rate in (0, 1), got {fpr!r}; pass 0.01 for 1%")
        conformal.check_size(len(images), fpr)
        ties = conformal.tie_breakers(images.images, seed)
        used = np.isin(ties, self.fitted_on)
        if used.mean() > 0.01:  # a few equal images are no mistake
            raise InputError(
                f"expected calibration inputs apart from those of fit, got {used.mean():.0%} of the same; split the clean inputs"
            )
        labels, scores = self.scored(images)
        if not (labels >= 0).any():
            raise InputError(
                "expected calibration inputs that the classifier can answer, got NaN or infinite scores for all; check the classifier"
            )
        groups = labels.astype(np.int64) if per_class else None
        self.calibration = Calibration(scores, ties, fpr=fpr, seed=seed, groups=groups)
        return self

    def scan(self, images: ImageSet | NDArray[Any]) -> ScanResult:
        """Score, p-value and flag of every input; the same whatever the batch, the order or the company.

        Memory holds a batch of inputs at a time. Raises InputError before `calibrate`.
        """
        if self.calibration is None:
            self._fitted()
            raise InputError(f"expected a calibrated detector, got {self!r}; call calibrate(clean, fpr=0.01) first")
        found = self.taken(images)
        labels, scores = self.scored(found)
        return self.judge(labels, scores, found)

    def judge(self, labels: NDArray[Any], scores: NDArray[np.float64], images: ImageSet) -> ScanResult:
        """The ScanResult of inputs whose scores are known."""
        calibration = self.calibration
        if calibration is None:
            raise InputError(f"expected a calibrated detector, got {self!r}; call calibrate(clean, fpr=0.01) first")
        groups = labels.astype(np.int64)
        if silent := np.unique(groups[calibration.silent(groups)]).tolist():
            warnings.warn(
                f"expected calibration inputs of every predicted class, got none of class {', '.join(map(str, silent))}: inputs predicted so "
                "can't be flagged; calibrate with such inputs, or without per_class",
                stacklevel=3,
            )
        p = calibration.p_values(scores, conformal.tie_breakers(images.images, calibration.seed), groups)
        return ScanResult(
            ids=images.ids,
            labels=labels,
            scores=scores,
            p_values=p,
            flags=calibration.flags(p),
            fpr=calibration.fpr,
            num_calibration=calibration.smallest,
            limit=calibration.limit(groups),
        )

    def score_samples(self, images: ImageSet | NDArray[Any]) -> NDArray[np.float64]:
        """Scores (N,) alone, higher = more suspicious; needs `fit`, not `calibrate`."""
        self._fitted()
        return self.scored(self.taken(images))[1]

    def runs(self, images: ImageSet) -> dict[str, Measurement]:
        """A measurement for each probe, its engine checked on some of these images: for `measure`, again and again."""
        self._fitted()
        classifier = self.classifier
        if classifier is None:
            what = "fit(classifier, clean)" if self.fitted_for is None else "bind(classifier)"
            raise InputError(f"expected a detector with a classifier, got {self!r}; call {what} first")
        probes = self.probes()
        check_probes(self, probes)
        extra: dict[str, Any] = {"readouts": self.readouts} if self.readouts else {}
        runs: dict[str, Measurement] = {}
        for key, probe in probes.items():
            try:
                runs[key] = Measurement(
                    classifier, images, probe, batch_size=self.batch_size, engine=self.engine, **extra
                )
            except (MissingExtraError, EngineError) as error:
                if self.engine == "auto":
                    raise
                raise type(error)(
                    f"expected the engine {self.engine!r}, on which the detector was fitted, got: {error}. Or calibrate again "
                    "on what this machine has: detector.engine = 'auto', then detector.calibrate(clean)"
                ) from error
            if self.engine == "auto":  # chosen once, then pinned
                chosen = runs[key].info["engine"]
                both = f"{chosen['engine']}-{chosen['precision']}"
                self.engine = both if both in ENGINES else chosen["engine"]
        return runs

    def measure(self, images: ImageSet, runs: Mapping[str, Measurement] | None = None) -> Iterator[Evidence]:
        """Evidence of the inputs, a batch at a time: what `score` is given. `runs` made before save the checks of new ones."""
        runs = self.runs(images) if runs is None else runs
        classifier = self.classifier
        assert classifier is not None
        chunks = [run.answer(_blocks(images, self.batch_size)) for run in runs.values()]
        for start in range(0, len(images), self.batch_size):
            block = to_float(images.images[start : start + self.batch_size])
            responses: dict[str, Responses] = {key: next(c) for key, c in zip(runs, chunks, strict=True)}
            first = next(iter(responses.values()), None)
            labels, scores = None if first is None else first.labels, None
            if self.needs != "labels" or labels is None:
                plain_labels, scores = base_outputs(classifier, block)
                labels = plain_labels if labels is None else labels
            if self.on_batch is not None:
                self.on_batch(len(block))
            yield Evidence(block, labels, classifier.num_classes, responses, scores)

    def bind(self, classifier: Classifier) -> Self:
        """Give a loaded detector the classifier it was fitted on.

        Raises InputError for another one (by its fingerprint, which for a function is no more than its name).
        """
        self.check_classifier(classifier)
        mine = (classifier.fingerprint, classifier.input_shape, classifier.num_classes)
        if self.fitted_for is None:
            raise InputError(f"expected a fitted detector, got {self!r}; call fit(classifier, clean) first")
        if mine != self.fitted_for:
            raise InputError(
                f"expected the classifier that the detector was fitted on ({self.fitted_for[0][:16]}, input shape "
                f"{self.fitted_for[1]}, {self.fitted_for[2]} classes), got {mine[0][:16]}, {mine[1]}, {mine[2]}; fit again"
            )
        self.classifier = classifier
        return self

    def save(self, path: str | Path) -> Path:
        """Write the fitted detector to one file; see :func:`doldrum.load_detector`. It holds the secret seed."""
        from doldrum.detectors.saved import save_detector

        return save_detector(self, path)

    def as_sklearn(
        self, classifier: Classifier, *, fpr: float = 0.05, fit_share: float = 0.5, random_state: int = 0
    ) -> Any:
        """An outlier detector with scikit-learn's names and signs; see :class:`doldrum.detectors.estimator.OutlierDetector`.

        `fit(X)` fits this detector's settings on a share of the rows and calibrates on the rest; `predict` gives -1 for
        inputs that it suspects.
        """
        try:
            from doldrum.detectors.estimator import OutlierDetector
        except ModuleNotFoundError as error:
            raise missing_extra("scikit-learn", "sklearn") from error
        return OutlierDetector(self, classifier, fpr=fpr, fit_share=fit_share, random_state=random_state)

    def check_classifier(self, classifier: Classifier) -> None:
        """Raise unless the classifier gives what the detector needs."""
        if not isinstance(classifier, Classifier):
            raise InputError(f"expected a Classifier, got {type(classifier).__name__}; use dd.as_classifier first")
        if self.needs == "scores" and classifier.outputs == "labels":
            raise ClassifierError(f"expected scores for {self.name}, got labels only; use a detector that needs labels")
        if self.needs == "weights" and getattr(classifier, "module", None) is None:
            raise ClassifierError(
                f"expected a torch module for {self.name}, got {type(classifier).__name__}; "
                "use a detector that needs labels or scores"
            )

    def probe_seed(self, name: str) -> int:
        """The seed of the probe of this name: a child of `seed_`, so that probes don't share draws."""
        return child_seed(self._fitted(), "detector", name)

    @property
    def forwards(self) -> int:
        """Forwards an input; needs `fit` where the probes depend on it."""
        return 1 + sum(len(p.strengths) * p.draws for p in self.probes().values())

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of `__init__`, by name."""
        names = inspect.signature(type(self).__init__).parameters
        return {n: getattr(self, n) for n in names if n != "self"}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.settings.items())})"

    def scored(
        self, images: ImageSet, runs: Mapping[str, Measurement] | None = None
    ) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
        """Labels and scores (N,): higher = more suspicious, infinite where there is nothing to judge by."""
        labels, scores = [], []
        for evidence in self.measure(images, runs):
            raw = np.asarray(self.score(evidence))
            if raw.shape != (len(evidence),) or raw.dtype.kind not in "iufb":
                raise InputError(
                    f"expected {self.name} to give {len(evidence)} numbers as scores, got shape {raw.shape}, {raw.dtype}"
                )
            found = raw.astype(np.float64)
            labels.append(evidence.labels)
            scores.append(np.where(np.isnan(found), np.inf, found))
        return np.concatenate(labels), np.concatenate(scores)

    def taken(self, images: ImageSet | NDArray[Any]) -> ImageSet:
        """Images as an ImageSet of the shape that the classifier takes."""
        found = as_set(images)
        if self.fitted_for is not None:
            check_shape(found.input_shape, self.fitted_for[1])
        return found

    def _fitted(self) -> int:
        if self.seed_ is None:
            raise InputError(f"expected a fitted detector, got {self!r}; call fit(classifier, clean) first")
        return self.seed_


def _blocks(images: ImageSet, size: int) -> Iterator[tuple[NDArray[Any], list[str]]]:
    """Images and their ids, `size` at a time."""
    for start in range(0, len(images), size):
        yield images.images[start : start + size], list(images.ids[start : start + size])


def as_set(images: ImageSet | NDArray[Any]) -> ImageSet:
    """Images as an ImageSet, checked; tensors of torch too, from whatever device."""
    if isinstance(images, ImageSet):
        return images
    tensor: Any = images
    return ImageSet(np.asarray(tensor.detach().cpu() if hasattr(tensor, "detach") else tensor))


def _joined(batches: Iterator[Evidence], images: ImageSet) -> Evidence:
    """The evidence of all inputs, from that of its batches; the images are there once."""
    parts = [replace(batch, images=batch.images[:0]) for batch in batches]
    first = parts[0]
    return Evidence(
        to_float(images.images),
        np.concatenate([p.labels for p in parts]),
        first.num_classes,
        {key: Responses.concatenate([p.responses[key] for p in parts]) for key in first.responses},
        None if first.scores is None else np.concatenate([p.scores for p in parts if p.scores is not None]),
    )
