"""In the confined process: whether the model does on the clean images what it should."""

from __future__ import annotations

from typing import Any

import numpy as np

from doldrum.confined import matching
from doldrum.confined.job import Tell
from doldrum.confined.material import Material
from doldrum.detectors.contract.evidence import base_outputs
from doldrum.pixels import to_float
from doldrum.suspects import Suspect

__all__ = ["on_clean"]


def on_clean(opened: Suspect, clean: Material, settings: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """{clean: {accuracy, claimed}, doubts, remarks}: accuracy on the clean images against what is claimed, said at once."""
    classifier = opened.classifier
    parts = []
    for start in range(0, len(clean.images), 256):
        block = clean.images.images[start : start + 256]
        parts.append(base_outputs(classifier, to_float(block))[0])
    predicted = np.concatenate(parts)
    truth, how = matching.numbers_of(clean, opened)
    accuracy = matching.accuracy_of(predicted, truth)
    doubts = matching.doubts(
        predicted, accuracy, claimed=settings["claimed_accuracy"], num_classes=classifier.num_classes
    )
    if (odd := matching.odd_preprocessing(opened, clean.images, truth, settings["resize"])) is not None:
        doubts.append(odd)
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
