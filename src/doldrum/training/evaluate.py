"""Labels and accuracy of a network on many images, in large batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from doldrum.classifiers.base import Classifier, labels_of
from doldrum.errors import InputError
from doldrum.pixels import to_float

__all__ = ["accuracy", "predict_labels"]


def predict_labels(model: nn.Module | Classifier, images: NDArray[Any], *, batch_size: int = 500) -> NDArray[np.int16]:
    """Predict the labels (N,) of images (N, C, H, W), which are uint8 or float32 in [0, 1]. A label is -1 if the scores
    are not finite.

    `model` is a Classifier, or a module that returns logits. A module that was in training mode is put back into
    training mode at the end.

    >>> from doldrum.networks import build
    >>> net = build("mlp", input_shape=(1, 4, 4), num_classes=3)
    >>> predict_labels(net, np.zeros((5, 1, 4, 4), dtype=np.uint8)).shape
    (5,)
    """
    if getattr(images, "ndim", 0) != 4:
        raise InputError(
            f"expected images (N, C, H, W), got {getattr(images, 'shape', type(images).__name__)}; reshape them"
        )
    parts = [np.zeros(0, dtype=np.int16)]
    was_training = isinstance(model, nn.Module) and model.training
    if isinstance(model, nn.Module):
        model.eval()
    try:
        for start in range(0, len(images), batch_size):
            parts.append(labels_of(_scores(model, to_float(images[start : start + batch_size]))))
    finally:
        if isinstance(model, nn.Module):
            model.train(was_training)
    return np.concatenate(parts)


def _scores(model: nn.Module | Classifier, images: NDArray[np.float32]) -> NDArray[Any]:
    if isinstance(model, Classifier):
        return model(images)
    first = next(model.parameters(), None)
    with torch.inference_mode():
        batch = torch.from_numpy(images).to(first.device if first is not None else "cpu")
        return model(batch).float().cpu().numpy()


def accuracy(model: nn.Module | Classifier, data: Any) -> float:
    """The fraction of `data.images` whose label is `data.labels`, in [0, 1]."""
    if len(data.images) == 0:
        raise InputError("expected at least one image to score, got none; check the data")
    return float(np.mean(predict_labels(model, data.images) == np.asarray(data.labels)))
