"""In the confined process: check the model's accuracy, class order and preprocessing on the clean images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.confined import matching
from doldrum.confined.class_order import check_class_order, other_order
from doldrum.confined.job import Tell
from doldrum.confined.material import Material
from doldrum.data import ImageSet
from doldrum.detectors.contract.evidence import base_outputs
from doldrum.pixels import to_float
from doldrum.suspects import Suspect

__all__ = ["labels_of", "on_clean"]

_BATCH = 256


def labels_of(classifier: Classifier, images: ImageSet) -> NDArray[Any]:
    """Predict the labels (N,) of the images in batches. A label of -1 means that the model gave no valid label."""
    starts = range(0, len(images), _BATCH)
    return np.concatenate([base_outputs(classifier, to_float(images.images[i : i + _BATCH]))[0] for i in starts])


def on_clean(opened: Suspect, clean: Material, settings: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Check the model's accuracy on the clean images against the claimed accuracy. If something looks wrong, a warning
    is shown to the user at once.

    Returns the facts {clean: {accuracy, claimed}, doubts, remarks} for the record. Raises InputError for labels whose
    classes are in another order than the model's (:func:`doldrum.confined.class_order.check_class_order`).
    """
    classifier = opened.classifier
    predicted = labels_of(classifier, clean.images)
    truth, how = matching.numbers_of(clean, opened)
    compared = check_class_order(predicted, truth, classifier.num_classes, how=how, names=clean.labels)
    accuracy = matching.accuracy_of(predicted, truth)
    doubts = matching.doubts(
        predicted, accuracy, claimed=settings["claimed_accuracy"], num_classes=classifier.num_classes
    )
    if (odd := matching.odd_preprocessing(opened, clean.images, truth, settings["resize"])) is not None:
        doubts.append(odd)
    if (other := other_order(compared)) is not None:
        doubts.append(other)
    remarks = []
    if accuracy is None:
        why = f", since {how}" if truth is None else ""
        remarks.append(f"The model's accuracy was not checked{why}.")
    else:
        reached = f"{accuracy['value']:.1%} ({accuracy['lower']:.1%} to {accuracy['upper']:.1%})"
        remarks.append(f"On {accuracy['labelled']:,} labelled clean images the model's accuracy is {reached}; {how}.")
    for text in doubts:  # at once: the user may want to stop here
        tell({"say": text})
    claimed = settings["claimed_accuracy"]
    return {"clean": {"accuracy": accuracy, "claimed": claimed}, "doubts": doubts, "remarks": remarks}
