"""A detector with the interface of scikit-learn."""

# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_number, is_whole
from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet, as_image_set
from doldrum.data.readers.objects import holds_images
from doldrum.detectors.contract.detector import Detector
from doldrum.detectors.contract.splitting import num_to_fit
from doldrum.errors import InputError
from doldrum.lazy import extras
from doldrum.measuring.checks import check_shape
from doldrum.measuring.inputs import wanted_by
from doldrum.seeds import child_seed
from doldrum.stats import conformal

with extras():
    from sklearn.base import BaseEstimator, OutlierMixin
    from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = ["OutlierDetector"]


class OutlierDetector(OutlierMixin, BaseEstimator):
    """A scikit-learn outlier detector whose outliers are triggered inputs.

    X is an array (N, C * H * W) with one row per image, in [0, 1]. X can also be an ImageSet, a torch Dataset or
    DataLoader, a list of Pillow images, … (:func:`doldrum.data.read_stream`).

    Parameters
    ----------
    detector : Detector
        Its settings are used. The detector itself is not changed.
    classifier : Classifier
    fpr : float
        The largest share of clean inputs that `predict` calls outliers, on average.
    fit_share : float in (0, 1)
        Share of X that `fit` learns from. The rest of X is used to calibrate. A random number, computed from a row's
        bytes, decides whether `fit` learns from the row.
    random_state : int
        Seed of the detector and of the split. Detector and split derive different seeds from this number, so the split
        of the rows is independent of how ties are broken.

    Attributes
    ----------
    detector_ : the fitted and calibrated Detector
    offset_ : float
        `decision_function` = `score_samples` - `offset_`
    n_features_in_ : int

    `score_samples` is minus the detector's score: higher = more normal, as everywhere in scikit-learn. To separate
    equal scores, a small number is added, which is derived from the image's bytes. The added number is at most a
    billionth of the scores' spread.
    """

    def __init__(
        self,
        detector: Detector | None = None,
        classifier: Classifier | None = None,
        *,
        fpr: float = 0.05,
        fit_share: float = 0.5,
        random_state: int = 0,
    ) -> None:
        self.detector = detector
        self.classifier = classifier
        self.fpr = fpr
        self.fit_share = fit_share
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the detector on a share of the rows and calibrate it on the other rows. y is ignored."""
        images = self._taken(X, reset=True)
        detector, classifier = self._parts()
        if not is_number(self.fpr) or not 0 < self.fpr < 1:
            raise InputError(f"expected a false-positive rate in (0, 1), got {self.fpr!r}; pass 0.01 for 1%")
        if not is_number(self.fit_share) or not 0 < self.fit_share < 1:
            raise InputError(f"expected a fit_share in (0, 1), got {self.fit_share!r}; e.g. 0.5")
        seed = self._seed()
        # Not by the tie breakers themselves: the calibration inputs would be those with the highest ones.
        first = conformal.tie_breakers(images.images, child_seed(seed, "sklearn", "split")).argsort(kind="stable")
        cut = num_to_fit(len(images), self.fpr, least=detector.fewest, share=self.fit_share)
        fresh: Detector = type(detector)(**{**detector.settings, "seed": seed})
        fresh.fit(classifier, images.take(first[:cut]))
        calibration = images.take(first[cut:])
        scores = fresh.score_samples(calibration)
        finite = scores[np.isfinite(scores)]
        self._apart = 1e-9 * max(float(np.ptp(finite)) if len(finite) else 0.0, 1e-3)
        self.detector_ = fresh
        self.offset_ = (
            -math.inf if not len(finite) else -conformal.threshold(self._set_apart(scores, calibration), self.fpr)
        )
        return self

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Minus the detector's scores (N,). An input with a lower value is more suspicious."""
        check_is_fitted(self)
        images = self._taken(X, reset=False)
        return -self._set_apart(self.detector_.score_samples(images), images)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """The difference `score_samples` - `offset_` for each input (N,). For outliers, the difference is below 0."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """-1 for outliers, which are suspected of carrying a trigger, and +1 for the other inputs."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _set_apart(self, scores: NDArray[np.float64], images: ImageSet) -> NDArray[np.float64]:
        return scores + self._apart * conformal.tie_breakers(images.images, self._seed())

    def _seed(self) -> int:
        seed: Any = self.random_state
        if not is_whole(seed) or seed < 0:
            raise InputError(f"expected a whole number of at least 0 as random_state, got {seed!r}; e.g. 0")
        return int(seed)

    def __sklearn_clone__(self) -> Self:
        """An unfitted copy with the same detector and classifier. Detector and classifier are not copied, since some
        models can't be copied."""
        return type(self)(**self.get_params(deep=False))

    def _parts(self) -> tuple[Detector, Classifier]:
        if self.detector is None or self.classifier is None:
            raise InputError(
                "expected a detector and a classifier, got none; pass OutlierDetector(detector, classifier)"
            )
        return self.detector, self.classifier

    def _taken(self, X: Any, *, reset: bool) -> ImageSet:
        """Convert X, which is an array of rows or a source of images, to an ImageSet."""
        if isinstance(X, ImageSet) or holds_images(X):
            classifier = self._parts()[1]
            images = as_image_set(X, **wanted_by(classifier))
            check_shape(images.input_shape, classifier.input_shape)
            if reset and len(images) < 2:
                raise InputError(f"expected at least 2 images to fit and calibrate on, got {len(images)}; give more")
            self.n_features_in_ = math.prod(images.input_shape)
            return images
        least: dict[str, Any] = {"ensure_min_samples": 2} if reset else {}
        rows: Any = validate_data(self, X, dtype=np.float64, reset=reset, **least)
        return self._images(rows)

    def _images(self, X: NDArray[np.float64]) -> ImageSet:
        """Reshape rows to images. Raises InputError if the rows don't have the classifier's number of pixels."""
        shape = self._parts()[1].input_shape
        if X.shape[1] != math.prod(shape):
            raise InputError(
                f"expected {math.prod(shape)} features per row (images of shape {shape}), got {X.shape[1]} features; flatten the images"
            )
        return ImageSet(X.reshape(-1, *shape).astype(np.float32))
