"""ccexam: digits of MNIST, USPS and SVHN, 10 classes each. State dicts of torch's; a size without a default."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from others import drawn
from others.base import Drawn, Other

__all__ = ["OTHERS"]


def _own(name: str, files: list[Path]) -> list[int]:
    from ccexam.inference import InferenceFactory

    return [int(n) for n in InferenceFactory.create(name).predict_batch(files)]


def _other(
    name: str, network: str, size: int, channels: str, mean: object, std: object, images: Callable[[], Drawn]
) -> Other:
    made = f"from models import {network}\n\n\ndef net():\n    return {network}({size})\n"
    options = {
        "arch": f"net_{name}:net",
        "trust_code": True,
        "size": size,
        "channels": channels,
        "mean": mean,
        "std": std,
    }
    return Other(
        "ccexam==1.0.0", "MIT", f"ccexam/weights/{name}.pth", options, images, partial(_own, name),
        more=("torchvision==0.29.2",), path=("ccexam",), written={f"ccexam/net_{name}.py": made}, most=200,
    )  # fmt: skip


OTHERS = {
    "mnist": _other("mnist", "MNISTNet", 28, "grey", 0.1307, 0.3081, drawn.digits),
    "usps": _other("usps", "USPSNet", 16, "grey", 0.2471, 0.2994, partial(drawn.digits, 16, 16)),
    "house": _other("svhn", "SVHNNet", 32, "rgb", (0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970), drawn.house),
}
