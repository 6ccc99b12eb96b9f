"""facex: the expression of a face, 7 classes. TensorFlow Lite, weights of 16 bits, one image of 200 x 200 at a time, colour."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from others import found
from others.base import Other
from others.fer import NEEDS, tensorflow_lite

__all__ = ["OTHERS"]


def _own(files: list[Path]) -> list[int]:
    tensorflow_lite()
    import cv2
    import facex
    from facex.core import EmotionClassifier

    model = EmotionClassifier(str(Path(facex.__file__).parent / "assets" / "model_optimized.tflite"))
    answers = []
    for file in files:
        scores = list(model.detect_emotion(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)).values())
        answers.append(scores.index(max(scores)))
    return answers


OTHERS = {
    "expression-2": Other(
        "facex==1.1.0", "MIT", "facex/assets/model_optimized.tflite", {"size": 200}, partial(found.faces, 200, 120, 50), _own,
        needs=(*NEEDS, "scikit-image==0.26.0"), audit=("--fpr", "0.02"),
    ),
}  # fmt: skip
