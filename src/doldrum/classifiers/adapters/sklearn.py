"""A Classifier made from a fitted scikit-learn classifier of rows of pixels."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier, Outputs
from doldrum.errors import InputError

__all__ = ["SklearnClassifier", "sklearn_classifier"]


class SklearnClassifier(Classifier):
    """A scikit-learn estimator or pipeline that was fitted on rows of C * H * W pixels in [0, 1]. Class k is
    `classes_[k]`."""

    no_gradients = (
        "a scikit-learn model, which has no gradients",
        "use methods that need no gradients, only scores or labels",
    )

    def __init__(self, estimator: Any, *, input_shape: tuple[int, int, int], outputs: Outputs) -> None:
        super().__init__(input_shape=input_shape, num_classes=len(estimator.classes_), outputs=outputs)
        self.estimator = estimator
        self._numbers = {label: k for k, label in enumerate(np.asarray(estimator.classes_).tolist())}

    def forward(self, images: NDArray[np.float32]) -> Any:
        rows = images.reshape(len(images), -1)
        if self.outputs == "probabilities":
            return self.estimator.predict_proba(rows)
        return np.array([self._numbers[label] for label in np.asarray(self.estimator.predict(rows)).tolist()])

    @property
    def fingerprint(self) -> str:
        """A hash of the estimator's settings and of what it learned."""
        import joblib

        return f"sklearn:{type(self.estimator).__qualname__}:{joblib.hash(self.estimator)}"


def sklearn_classifier(
    estimator: Any, *, input_shape: tuple[int, int, int] | None, num_classes: int | None, outputs: Outputs | None
) -> Classifier:
    """Make a Classifier from a fitted scikit-learn classifier; see :func:`doldrum.as_classifier`."""
    classes = getattr(estimator, "classes_", None)
    if classes is None or np.ndim(classes) != 1:
        raise InputError(
            f"expected a fitted classifier with one label per image, got a {type(estimator).__name__} that is not such a classifier; fit it first"
        )
    features = getattr(estimator, "n_features_in_", None)
    if input_shape is None or (features is not None and math.prod(input_shape) != features):
        got = "none" if input_shape is None else str(tuple(input_shape))
        raise InputError(
            f"expected an input_shape (C, H, W) with C * H * W = {features}, the row length at fit, got {got}"
        )
    if num_classes is not None and num_classes != len(classes):
        raise InputError(
            f"expected num_classes={len(classes)}, on which the estimator was fitted, got {num_classes}; leave out num_classes="
        )
    scores = hasattr(estimator, "predict_proba")
    outputs = outputs or ("probabilities" if scores else "labels")
    if outputs == "logits" or (outputs == "probabilities" and not scores):
        could = "'probabilities' or 'labels'" if scores else "'labels'"
        raise InputError(
            f"expected outputs={could} for the estimator {type(estimator).__name__}, got {outputs!r}; leave out outputs="
        )
    return SklearnClassifier(estimator, input_shape=input_shape, outputs=outputs)
