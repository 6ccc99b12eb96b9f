"""Estimators of the Adversarial Robustness Toolbox (ART) as Classifiers."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.adapters.art_layout import ArtLayout, art_layout
from doldrum.classifiers.base import Classifier, Outputs
from doldrum.errors import InputError

__all__ = ["ArtClassifier", "art_classifier"]


class ArtClassifier(Classifier):
    """An ART classifier that is run through its method `predict`, with its own preprocessing and postprocessing."""

    no_gradients = (
        "an ART estimator, whose predict gives scores or labels, but no gradients",
        "give its torch module, or a PyTorchClassifier whose preprocessing is a mean and a standard deviation",
    )

    def __init__(self, estimator: Any, layout: ArtLayout, *, num_classes: int, outputs: Outputs) -> None:
        super().__init__(input_shape=layout.input_shape, num_classes=num_classes, outputs=outputs)
        self.estimator = estimator
        self.layout = layout

    def forward(self, images: NDArray[np.float32]) -> Any:
        found = np.asarray(self.estimator.predict(self.layout.inputs(images)))
        return found.argmax(axis=1) if self.outputs == "labels" and found.ndim == 2 else found

    @property
    def fingerprint(self) -> str:
        """A text that identifies the estimator: its type and its clip values. For a scikit-learn model, a hash of the
        fitted model is added. For all other models, no hash is computed."""
        kind = self.estimator.__class__
        model = getattr(self.estimator, "model", None)
        learned = ""
        if _is(self.estimator, "scikitlearn", "ScikitlearnClassifier"):
            import joblib

            learned = f":{joblib.hash(model)}"
        return (
            f"art:{kind.__module__}.{kind.__qualname__}:{self.layout.low.tolist()}:{self.layout.high.tolist()}{learned}"
        )


def art_classifier(
    estimator: Any, *, input_shape: tuple[int, int, int] | None, num_classes: int | None, outputs: Outputs | None
) -> Classifier:
    """Make a Classifier with a `layout` from an ART estimator; see :func:`doldrum.as_classifier`.

    A `PyTorchClassifier` whose preprocessing is a mean and a standard deviation becomes a torch module, so that every
    engine can run it. For any other estimator, `predict` is called with one batch at a time.
    """
    classes = getattr(estimator, "nb_classes", None)
    if not callable(getattr(estimator, "predict", None)) or classes is None:
        raise InputError(f"expected an ART classifier with predict and nb_classes, got {type(estimator).__name__}")
    if num_classes is not None and num_classes != classes:
        raise InputError(
            f"expected num_classes={classes}, as the ART classifier says, got {num_classes}; leave out num_classes="
        )
    layout = art_layout(estimator, input_shape)
    if type(estimator).__name__ == "PyTorchClassifier" and layout.order == "chw":
        from doldrum.classifiers.adapters.art_module import art_module

        found = art_module(estimator, layout, num_classes=int(classes), outputs=outputs or "logits")
        if found is not None:
            return found
    return ArtClassifier(estimator, layout, num_classes=int(classes), outputs=outputs or _outputs(estimator))


def _outputs(estimator: Any) -> Outputs:
    """What `predict` returns: "labels" or "probabilities" if ART says so, and otherwise "logits"."""
    if any(_is(estimator, "blackbox", name) for name in ("BlackBoxClassifier", "BlackBoxClassifierNeuralNetwork")):
        return "labels"
    if _is(estimator, "scikitlearn", "ScikitlearnClassifier") and not getattr(estimator, "use_logits", False):
        return "probabilities" if hasattr(estimator.model, "predict_proba") else "labels"
    return "logits"


def _is(estimator: Any, module: str, name: str) -> bool:
    home = sys.modules.get(f"art.estimators.classification.{module}")
    return home is not None and isinstance(estimator, getattr(home, name))
