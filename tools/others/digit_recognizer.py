"""digit-recognizer-py: handwritten digits, 10 classes, with the accuracy that its makers claim. A state dict of torch's.

The package turns light backgrounds into dark ones; the digits here are light on dark.
"""

from __future__ import annotations

from pathlib import Path

from others import drawn
from others.base import Other

__all__ = ["OTHERS"]


def _own(files: list[Path]) -> list[int]:
    from digit_recognizer import DigitRecognizer

    model = DigitRecognizer()
    return [int(model.predict(file)) for file in files]


OTHERS = {
    "digits": Other(
        "digit-recognizer-py==0.1.0", "MIT", "digit_recognizer/models/handwriting_model.pth",
        {"arch": "model:CNN", "trust_code": True, "size": 28, "channels": "grey", "mean": 0.1307, "std": 0.3081}, drawn.digits, _own,
        more=("torchvision==0.29.2",), path=("digit_recognizer",), audit=("--claimed-accuracy", "0.99"), most=200,
    ),
}  # fmt: skip
