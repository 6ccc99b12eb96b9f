"""malvizv1: families of malware in a program's bytes, drawn as a grey picture, 26 classes. ONNX with its weights in a file beside it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from others import found
from others.base import IMAGENET, Other

__all__ = ["OTHERS"]


def _own(files: list[Path]) -> list[int]:
    import onnxruntime
    from malvizv1.scanner import get_model_path, preprocess_image
    from PIL import Image

    session = onnxruntime.InferenceSession(get_model_path(), providers=["CPUExecutionProvider"])
    return [int(session.run(["logits"], {"input": preprocess_image(Image.open(file))})[0].argmax()) for file in files]


OTHERS = {
    "programs": Other(
        "malvizv1==0.1.0", "MIT", "malvizv1/models/combined_resnet18_benign_plus_malimg.onnx", {"size": 224, **IMAGENET},
        partial(found.programs, 224, 120, 50), _own, audit=("--fpr", "0.02"),
    ),
}  # fmt: skip
