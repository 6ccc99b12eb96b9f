"""Turn somebody else's torch module, with its preprocessing put before it, into a Classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from doldrum.classifiers.adapters.module import ModuleClassifier
from doldrum.classifiers.adapters.module_forms import plain_module
from doldrum.classifiers.base import Outputs
from doldrum.errors import ClassifierError, InputError, check_memory_left
from doldrum.intake import visible
from doldrum.suspects.base import Preprocessing

__all__ = ["Prepared", "module_classifier"]


class Prepared(nn.Module):
    """A model with its preprocessing: change the channel order, compute (scale * x - mean) / std, then run the model."""

    def __init__(self, model: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.model = model
        self.flip = preprocessing.channels == "bgr"
        self.scale = preprocessing.scale
        shape = (1, -1, 1, 1)
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", torch.tensor(preprocessing.mean).reshape(shape))
        self.register_buffer("std", torch.tensor(preprocessing.std).reshape(shape))

    def forward(self, x: torch.Tensor) -> Any:
        if self.flip:
            x = x.flip(1)
        if self.scale != 1:
            x = x * self.scale
        return self.model((x - self.mean) / self.std)

    def extra_repr(self) -> str:
        """The module's settings that are not stored in its buffers, as text for the classifier's fingerprint."""
        told = ["bgr"] if self.flip else []
        return ", ".join(told + ([f"scale={self.scale:g}"] if self.scale != 1 else []))


def module_classifier(
    model: nn.Module,
    preprocessing: Preprocessing,
    *,
    num_classes: int | None,
    outputs: Outputs | None,
    shown: str,
) -> ModuleClassifier:
    """Turn `model` into a classifier of images in [0, 1]. The number of classes is found by running the model.

    Running the model also shows where the scores are in the model's output, and whether the model takes only one image
    at a time. The caller's own modules are examined in the same way
    (:func:`doldrum.classifiers.adapters.module_forms.plain_module`).

    Raises ClassifierError if the model can't take such images, or returns no row of scores (or no label) per image.
    """
    for part in model.modules():
        part.training = False  # .eval() is refused by what torch.export gives
    prepared = Prepared(model, preprocessing)
    prepared.training = False
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    images = torch.from_numpy(np.full((2, *preprocessing.input_shape), 0.5, np.float32)).to(dtype)
    try:
        prepared = plain_module(prepared, images, num_classes=num_classes, outputs=outputs or "logits")
        with torch.inference_mode():
            out = prepared(images)
    except ClassifierError as error:
        raise ClassifierError(f"{shown}: {visible(str(error), most=400)}") from error
    except Exception as error:  # somebody else's network raises what it likes
        check_memory_left(error)
        why = visible(str(error).partition("\n")[0], most=200) or type(error).__name__
        size = "x".join(map(str, preprocessing.input_shape))
        raise ClassifierError(
            f"expected the model {shown} to take images of {size} values, got the error {why}; check the size and the channels, and export "
            "the model for one image or for any number of images at once"
        ) from error
    if not isinstance(out, torch.Tensor) or out.ndim not in (1, 2) or len(out) != 2:
        got = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
        raise ClassifierError(
            f"expected a row of scores per image from {shown}, got {got}; it is not an image classifier"
        )
    labels = out.ndim == 1
    if labels and num_classes is None:
        raise InputError(
            f"expected num_classes= for the model {shown}, which gives labels, got none; pass the number of classes"
        )
    return ModuleClassifier(
        prepared,
        input_shape=preprocessing.input_shape,
        num_classes=num_classes if num_classes is not None else int(out.shape[1]),
        outputs=outputs or ("labels" if labels else "logits"),
    )
