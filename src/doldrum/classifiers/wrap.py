"""as_classifier: make a Classifier from a model in memory."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from doldrum.classifiers.base import Classifier, Outputs
from doldrum.errors import InputError

__all__ = ["as_classifier"]

# An object of a library's can only be given where that library is already imported, so nothing heavy is imported to find out.
_OTHERS = (
    ("art.estimators.classification.classifier", "ClassifierMixin", "art", "art_classifier"),
    ("transformers.pipelines.base", "Pipeline", "pipeline", "pipeline_classifier"),
    ("sklearn.base", "BaseEstimator", "sklearn", "sklearn_classifier"),
)


def as_classifier(
    model: Any,
    *,
    input_shape: tuple[int, int, int] | None = None,
    num_classes: int | None = None,
    outputs: Outputs | None = None,
) -> Classifier:
    """Make a Classifier from a torch `nn.Module`, a model of another library, or any function.

    A model in a file is opened by :func:`doldrum.open_model`.

    Parameters
    ----------
    model
        An `nn.Module` in evaluation mode; a function from float32 images (B, C, H, W) in [0, 1] to scores (B, K) or
        labels (B,); or a Classifier, which is returned unchanged. Scores may also be in a dict, a tuple or a field
        `logits` (:mod:`doldrum.classifiers.outputs`). A module that takes only one image is run image by image. Models
        of other libraries: an ART classifier with `clip_values` (it gets inputs in this range), an image-classification
        pipeline of transformers (its processor's scaling is applied), or a fitted scikit-learn classifier of rows of
        pixels.
    input_shape, num_classes
        (C, H, W) and K. Modules and functions need `input_shape` and `num_classes`. Models of other libraries may state
        shape and number of classes themselves.
    outputs : "logits", "probabilities" or "labels", optional
        What the model returns. By default, "logits". If a model of another library declares what it returns, this
        declaration is the default. The main measurements of doldrum need only labels, not scores. ART does not say
        whether its neural networks return logits or probabilities. For detectors that use scores, say here whether an
        ART neural network returns logits or probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> clf = as_classifier(lambda x: x.reshape(len(x), -1), input_shape=(1, 1, 3), num_classes=3)
    >>> clf(np.array([[[[0.1, 0.7, 0.2]]]], dtype=np.float32)).argmax()
    np.int64(1)
    """
    if isinstance(model, Classifier):
        return model
    if isinstance(model, (str, Path)):
        raise InputError(f"expected a model in memory, got the path {model}; open it with dd.open_model")
    for module, kind, home, maker in _OTHERS:
        library = sys.modules.get(module)
        if library is not None and isinstance(model, getattr(library, kind)):
            make = getattr(importlib.import_module(f"doldrum.classifiers.adapters.{home}"), maker)
            return make(model, input_shape=input_shape, num_classes=num_classes, outputs=outputs)
    if input_shape is None or num_classes is None:
        raise InputError(
            "expected input_shape= and num_classes= for this model, got only one of them or none; pass both, e.g. input_shape=(1, 28, 28), num_classes=10"
        )
    known: dict[str, Any] = {"input_shape": input_shape, "num_classes": num_classes, "outputs": outputs or "logits"}
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        from doldrum.classifiers.adapters.module import ModuleClassifier

        return ModuleClassifier(model, **known)
    if callable(model):
        from doldrum.classifiers.adapters.function import FunctionClassifier

        return FunctionClassifier(model, **known)
    raise InputError(f"expected an nn.Module or a function, got {type(model).__name__}; wrap it in a function")
