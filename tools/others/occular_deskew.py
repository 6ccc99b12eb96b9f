"""occular-deskew: which way up a document is, 4 classes. ONNX of plain convolutions.

The package asks its network four times, for the image in four orientations, and averages; doldrum sees the network alone. That is the
whole difference: where labels differ, the network by itself gives doldrum's.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from others import drawn
from others.base import IMAGENET, Other

__all__ = ["OTHERS"]


def _own(files: list[Path]) -> list[int]:
    import numpy as np
    from occular_deskew.orient_onnx import OriNetOrientation
    from PIL import Image

    model = OriNetOrientation(prefer_gpu=False)
    return [model.predict(np.asarray(Image.open(file).convert("RGB")))[0] for file in files]


OTHERS = {
    "documents": Other(
        "occular-deskew==0.5.0", "none stated", "occular_deskew/weights/orientation_orinet_fp32.onnx",
        {"size": 320, **IMAGENET}, partial(drawn.pages, 150, 50), _own, needs=("opencv-python-headless<4.11", "numpy<2", "onnxruntime<1.24", "pillow"),
        audit=("--fpr", "0.02"),
    ),
}  # fmt: skip
