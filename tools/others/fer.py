"""fer: the expression of a face, 7 classes. TensorFlow Lite, weights of 8 bits, one image at a time, grey.

The package widens a face's rectangle by 10 pixels; the rectangle given to it is that much inside the image, so that it sees all of it.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from types import ModuleType

from others import found
from others.base import Other

__all__ = ["NEEDS", "OTHERS", "tensorflow_lite"]

NEEDS = ("tflite-runtime==2.14.0", "opencv-python-headless<4.11", "numpy<2", "pillow")


def tensorflow_lite() -> None:
    """tflite-runtime's interpreter under TensorFlow's name: all of it that the package calls."""
    from tflite_runtime.interpreter import Interpreter

    names = ("tensorflow", "tensorflow.lite", "tensorflow.keras", "tensorflow.keras.models")
    modules = {name: ModuleType(name) for name in names}
    modules["tensorflow"].lite, modules["tensorflow.lite"].Interpreter = modules["tensorflow.lite"], Interpreter
    modules["tensorflow.keras.models"].load_model = None
    sys.modules.update(modules)


def _own(files: list[Path]) -> list[int]:
    tensorflow_lite()
    import cv2
    from fer.fer import FER

    model, names = FER(), list(FER._get_labels().values())
    answers = []
    for file in files:
        (face,) = model.detect_emotions(cv2.imread(str(file)), face_rectangles=[(10, 10, 44, 44)])
        scores = face["emotions"]
        answers.append(names.index(max(scores, key=scores.get)))
    return answers


OTHERS = {
    "expression": Other(
        "fer==25.10.3", "MIT", "fer/data/emotion_model_quantized.tflite", {"size": 64, "channels": "grey", "mean": 0.5, "std": 0.5},
        partial(found.faces, 64, 300, 100, grey=True), _own, needs=(*NEEDS, "requests", "setuptools<81"),
    ),
}  # fmt: skip
