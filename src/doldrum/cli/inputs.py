"""What commands take: a model, and images for it. What can't be read is named on standard error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from doldrum.cli.output import message
from doldrum.errors import InputError

__all__ = ["load_images", "load_model"]


def load_model(model: str, *, outputs: str = "logits", num_classes: int | None = None) -> Any:
    """The Classifier in an .onnx file or in a .safetensors checkpoint of ours."""
    from doldrum.classifiers import as_classifier

    path = Path(model)
    if not path.is_file():
        raise InputError(f"expected a model file, got {model}, which is not there; check the path")
    if path.suffix.lower() == ".onnx":
        return as_classifier(path, num_classes=num_classes, outputs=outputs)  # pyright: ignore[reportArgumentType]
    if path.suffix.lower() == ".safetensors":
        from doldrum.training import load_checkpoint

        return load_checkpoint(path)
    raise InputError(
        f"expected an .onnx file or a .safetensors checkpoint of doldrum's, got {model}; export the model to ONNX"
    )


def load_images(source: str, *, classifier: Any = None) -> Any:
    """The ImageRead of `source`; a folder's images are fitted to what `classifier` takes, where one is given."""
    from doldrum.data import read_images

    if classifier is None:
        read = read_images(source)
    else:
        channels, height, width = classifier.input_shape
        read = read_images(source, channels=channels, size=(height, width) if Path(source).is_dir() else None)
    for path, reason in read.skipped:
        message(f"skipped {path}: {reason}")
    return read
