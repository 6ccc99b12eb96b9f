"""doldrum's detectors as defences of the Adversarial Robustness Toolbox (ART): a filter for training sets and a detector for inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers import Classifier, as_classifier
from doldrum.data import ImageSet
from doldrum.detectors import Detector, ScanResult
from doldrum.detectors.contract.splitting import num_to_fit
from doldrum.errors import InputError, missing_extra
from doldrum.seeds import child_seed
from doldrum.stats import conformal

try:
    from art.defences.detector.evasion import EvasionDetector
    from art.defences.detector.poison import PoisonFilteringDefence
    from art.defences.detector.poison.ground_truth_evaluator import GroundTruthEvaluator
    from art.utils import segment_by_class
except ImportError as error:
    raise missing_extra("adversarial-robustness-toolbox", "art") from error

__all__ = ["PoisonFilter", "TriggerDetector"]


class PoisonFilter(PoisonFilteringDefence):
    """An ART filter for training sets, made from a calibrated detector. Flagged samples count as poison.

    Parameters
    ----------
    classifier : ART classifier, trained on the samples; or the Classifier that `dd.as_classifier` made of it
    x_train : array (N, ...), in the form that ART's classifier takes
    y_train : array (N,) or one-hot (N, K)
        The labels of the samples. Only the method `evaluate_defence` uses `y_train`, to count errors by class.
    detector : Detector
        A detector that was fitted on this classifier, and then calibrated. The fit and the calibration must use clean
        images that are not in the training set. Of the clean samples that are like the calibration images, at most the
        share `fpr` is called poison, on average. But a classifier is surer about its training samples than about other
        samples. So check the false-positive rate on training samples that you know to be clean.

    Raises InputError if the detector is not calibrated, or was fitted on another classifier than `classifier`.
    """

    defence_params = ["classifier", "x_train", "y_train", "detector"]  # noqa: RUF012  (as ART's own)

    def __init__(self, classifier: Any, x_train: NDArray[Any], y_train: NDArray[Any], detector: Detector) -> None:
        super().__init__(classifier, x_train, y_train)
        self.detector = detector
        self._check_params()

    def detect_poison(self, **kwargs: Any) -> tuple[dict[str, Any], list[int]]:
        """Return (report, is_clean). is_clean[i] is 1 if the sample x_train[i] was called clean, and 0 if the sample
        was called poison (ART's convention).

        `kwargs` gives new values to parameters of this class, by their names. The report holds `scores` (higher = more
        suspicious), `p_values`, `labels` (the classifier's), `flags`, `num_flagged`, `fpr`, `limit` (the largest number
        of flags that is consistent with the promised rate) and `more_than_promised`.
        """
        if kwargs:
            self.set_params(**kwargs)
        self._found = self.detector.scan(_images(self._ours, self.x_train))
        return _report(self._found), [0 if flag else 1 for flag in self._found.flags]

    def evaluate_defence(self, is_clean: NDArray[Any], **kwargs: Any) -> str:
        """Return a JSON text with ART's confusion matrix for each class. `is_clean[i]` must be 1 if sample i is truly
        clean, and 0 if the sample is poison.

        In these matrices, a TruePositive is a poisoned sample that was called poison. The matrices are computed from
        the last result of `detect_poison`. If `detect_poison` has no result yet, or if `kwargs` are given,
        `detect_poison` is called first.
        """
        truth = np.asarray(is_clean)
        if truth.shape != (len(self.x_train),) or not np.isin(truth, (0, 1)).all():
            raise InputError(
                f"expected is_clean of shape ({len(self.x_train)},) of zeros and ones, got shape {truth.shape}"
            )
        if kwargs or self._found is None:
            self.detect_poison(**kwargs)
        assert self._found is not None
        called, classes = (~self._found.flags).astype(int), self._ours.num_classes
        labels = np.asarray(self.y_train)
        parts = (segment_by_class(values, labels, classes) for values in (called, truth))
        return GroundTruthEvaluator().analyze_correctness(*parts)[1]

    def _check_params(self) -> None:
        self._found: ScanResult | None = None
        self._ours = as_classifier(self.classifier)
        if len(self.x_train) != len(self.y_train):
            raise InputError(
                f"expected a label for each of {len(self.x_train)} samples, got {len(self.y_train)} labels"
            )
        if not isinstance(self.detector, Detector) or self.detector.calibration is None:
            raise InputError(
                f"expected a calibrated detector, got {self.detector!r}; call detector.fit(dd.as_classifier(classifier), "
                "clean_a).calibrate(clean_b, fpr=0.01) first"
            )
        self.detector.bind(self._ours)


class TriggerDetector(EvasionDetector):
    """An ART detector that finds triggered inputs, with the settings of a doldrum detector. Flagged inputs count as
    adversarial.

    Parameters
    ----------
    classifier : ART classifier; or a Classifier that `dd.as_classifier` made of an ART classifier
    detector : Detector
        A detector of doldrum. Only the settings of this detector are used, and the detector itself is not changed.
    fpr : float
        The promised false-positive rate: on average, at most this share of clean inputs is called adversarial. The
        promise holds for clean inputs like the inputs of `fit`.
    fit_share : float in (0, 1)
        The share of the clean inputs x from which `fit` learns. The inputs in x from which `fit` does not learn are
        used to calibrate. A random number, computed from an input's bytes, decides whether `fit` learns from the input.
    """

    defence_params = ["classifier", "detector", "fpr", "fit_share"]  # noqa: RUF012  (as ART's own)

    def __init__(self, classifier: Any, detector: Detector, *, fpr: float = 0.01, fit_share: float = 0.5) -> None:
        super().__init__()
        self.classifier = classifier
        self.detector = detector
        self.fpr = fpr
        self.fit_share = fit_share
        self._check_params()

    def fit(self, x: NDArray[Any], y: Any = None, batch_size: int = 128, nb_epochs: int = 1, **kwargs: Any) -> None:
        """Fit the detector on a share of the clean inputs x, and calibrate the detector on all other inputs in x. The
        arguments y, nb_epochs and kwargs are ignored.

        Before any work, raises InputError if x has too few inputs for `fpr`. The message gives the number of inputs
        needed.
        """
        images = ImageSet(_images(self._ours, x))
        if len(images) < 2:
            raise InputError(
                f"expected at least 2 clean inputs to fit and calibrate on, got {len(images)}; give more inputs"
            )
        fresh: Detector = type(self.detector)(**self.detector.settings)
        order = conformal.tie_breakers(images.images, child_seed(0, "art", "split")).argsort(kind="stable")
        cut = num_to_fit(len(images), self.fpr, least=fresh.fewest, share=self.fit_share)
        fresh.batch_size = batch_size
        fresh.fit(self._ours, images.take(order[:cut])).calibrate(images.take(order[cut:]), fpr=self.fpr)
        self.detector_ = fresh

    def detect(self, x: NDArray[Any], batch_size: int = 128, **kwargs: Any) -> tuple[dict[str, Any], NDArray[np.bool_]]:
        """Return (report, is_adversarial). is_adversarial[i] is True if x[i] was flagged. The report has the same
        fields as `PoisonFilter`'s.

        `batch_size` changes only the memory used. Raises InputError if `fit` was not called before.
        """
        if self.detector_ is None:
            raise InputError("expected a fitted detector, got none; call fit(x) with clean inputs first")
        self.detector_.batch_size = batch_size
        found = self.detector_.scan(_images(self._ours, x))
        return _report(found), found.flags.copy()

    def _check_params(self) -> None:
        if not isinstance(self.detector, Detector):
            raise InputError(
                f"expected a detector, got {type(self.detector).__name__}; e.g. dd.detectors.SmoothnessProfile()"
            )
        if not 0 < self.fit_share < 1:
            raise InputError(
                f"expected a fit_share in (0, 1), got {self.fit_share}; give a share of the inputs, e.g. 0.5"
            )
        self._ours = as_classifier(self.classifier)
        self.detector.check_classifier(self._ours)
        self.detector_: Detector | None = None


def _images(classifier: Classifier, x: NDArray[Any]) -> NDArray[np.float32]:
    """Convert ART's inputs to doldrum's images. If the Classifier was not made from an ART classifier, its inputs
    already have doldrum's form."""
    layout = getattr(classifier, "layout", None)
    return np.asarray(x, dtype=np.float32) if layout is None else layout.images(x)


def _report(found: ScanResult) -> dict[str, Any]:
    return {
        "scores": found.scores,
        "p_values": found.p_values,
        "labels": found.labels,
        "flags": found.flags,
        "num_flagged": found.num_flagged,
        "fpr": found.fpr,
        "limit": found.limit,
        "more_than_promised": found.more_than_promised,
    }
