"""The function `open_model`: open a model from a file or an address as a classifier."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import fields
from typing import Any

from doldrum.errors import InputError
from doldrum.opening.classifier import ConfinedClassifier
from doldrum.opening.settings import ModelSettings
from doldrum.suspects import Preprocessing, Suspect

__all__ = ["open_model", "open_settings"]

_MOST_HEADER = 16 << 20


def open_model(source: str | os.PathLike[str], **options: Any) -> Suspect:
    """Open a model from a file, a folder or an address. The model runs in a separate, confined (sandboxed) process.

    The format of a file is recognised by its bytes: ONNX, OpenVINO IR, TensorFlow Lite, safetensors or a state dict
    (with `arch`), a Hugging Face folder, or skops. With `trust_code`, files of TorchScript and torch.export are opened
    too. With `trust_pickle`, pickle files are opened too. The process has no network (except for a model at an
    address), can read only the model, and ends when the classifier is deleted. A checkpoint of doldrum is opened in
    this process, since it contains only the weights of a network that is part of doldrum, and its header is checked.

    Parameters
    ----------
    source
        A path, or http(s)://...
    **options
        The fields of :class:`doldrum.opening.ModelSettings`: arch, outputs, num_classes, output_name, mean, std, size, channels, scale,
        labels, trust_code, trust_pickle, memory and endpoint_....

    Returns
    -------
    Suspect
        The Suspect's `classifier` takes float32 (B, C, H, W) in [0, 1]. The other fields are `format`, `preprocessing`,
        `class_names` and `notes`.

    Raises
    ------
    InputError
        Raised for an option of a wrong type, and for a file that is refused, is broken, or lacks information that is
        needed.
    ClassifierError
        Raised for a model that is not an image classifier, or whose output is not finite.
    SandboxError
        Raised if the process exceeds its memory or time limit, or dies.

    Examples
    --------
    >>> import tempfile, doldrum as dd
    >>> model = dd.train(dd.load_dataset("digits:train"), recipe="digits-mlp", seed=0, progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     opened = open_model(model.save(f"{folder}/model.safetensors"))
    >>> opened.classifier.input_shape, opened.format
    ((1, 8, 8), 'doldrum checkpoint')
    """
    given: Any = source
    if not isinstance(given, (str, os.PathLike)):
        advice = "make a classifier of a model in memory with dd.as_classifier" if callable(given) else "pass one"
        raise InputError(f"expected the path or address of a model, got {type(given).__name__}; {advice}")
    known = [field.name for field in fields(ModelSettings) if field.name != "model"]
    if odd := [name for name in options if name not in known]:
        raise InputError(f"expected the name of an option ({', '.join(known)}), got {odd[0]}; check the spelling")
    return open_settings(ModelSettings(model=os.fspath(source), **options))


def open_settings(settings: ModelSettings) -> Suspect:
    """Open a model as `open_model` does, with options given as ModelSettings."""
    if _is_own_checkpoint(settings):
        from doldrum.training import load_checkpoint

        own = load_checkpoint(settings.path)
        channels, *size = own.input_shape
        names = own.metadata.get("class_names")
        return Suspect(
            classifier=own,
            format="doldrum checkpoint",
            preprocessing=Preprocessing(size=(size[0], size[1]), channels="grey" if channels == 1 else "rgb"),
            class_names=tuple(map(str, names)) if names and len(names) == own.num_classes else None,
        )
    classifier = ConfinedClassifier(settings)
    facts = classifier.facts
    return Suspect(
        classifier=classifier,
        format=facts["format"],
        preprocessing=Preprocessing(**facts["preprocessing"]),
        class_names=facts["class_names"],
        notes=facts["notes"],
    )


def _is_own_checkpoint(settings: ModelSettings) -> bool:
    """Whether the header of the model's file says that the model is a checkpoint of doldrum.

    The result is False if the settings replace the model's preprocessing or class names.
    """
    path = settings.path
    if settings.remote or not path.is_file() or settings.preprocessing.keys() - {"resize"} or settings.labels:
        return False
    with path.open("rb") as file:
        start = file.read(9)
        if len(start) < 9 or start[8:] != b"{":
            return False
        (length,) = struct.unpack("<Q", start[:8])
        if length > min(_MOST_HEADER, path.stat().st_size - 8):
            return False
        text = b"{" + file.read(length - 1)
    try:
        named = json.loads(json.loads(text)["__metadata__"]["doldrum"])["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    from doldrum.networks import CHECKPOINT_FORMAT  # with torch, which other formats can do without

    return named == CHECKPOINT_FORMAT
