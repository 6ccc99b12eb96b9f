"""The activations of the penultimate layer, which are the inputs of a network's last linear layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.data import to_float
from doldrum.errors import ClassifierError
from doldrum.lazy import extras

__all__ = ["last_linear", "penultimate"]

_BATCH = 500


def last_linear(classifier: Classifier) -> Any:
    """The nn.Linear layer that runs last and returns one score per class.

    The layer is found by running the network on one grey image.

    Raises ClassifierError if the classifier is not a torch module, or has no such layer.
    """
    module = getattr(classifier, "module", None)
    if module is None:
        raise ClassifierError(
            f"expected a torch module, whose activations can be read, got {type(classifier).__name__}; use the profile, "
            "which needs labels only"
        )
    with extras():
        from torch import nn
    ran: list[Any] = []

    def note(layer: Any, given: tuple[Any, ...], output: Any) -> None:
        if given[0].ndim == 2 and output.shape[-1] == classifier.num_classes:
            ran.append(layer)

    hooks = [layer.register_forward_hook(note) for layer in module.modules() if isinstance(layer, nn.Linear)]
    try:
        classifier(np.full((1, *classifier.input_shape), 0.5, dtype=np.float32))
    finally:
        for hook in hooks:
            hook.remove()
    if not ran:
        raise ClassifierError(
            f"expected a network whose last layer is an nn.Linear of {classifier.num_classes} classes, got none in "
            f"{type(module).__name__}; use the profile, which needs labels only"
        )
    return ran[-1]


def penultimate(classifier: Classifier, images: NDArray[Any], *, layer: Any = None) -> NDArray[np.float32]:
    """The inputs (N, D) of the last linear layer, taken by a forward hook.

    `images` are (N, C, H, W), as in an ImageSet.

    Raises ClassifierError if the classifier has no such layer, or if activations are NaN or infinite.

    >>> import torch
    >>> from doldrum.classifiers import as_classifier
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)).eval()
    >>> penultimate(as_classifier(net, input_shape=(1, 2, 2), num_classes=2), np.zeros((5, 1, 2, 2), np.uint8)).shape
    (5, 3)
    """
    layer = last_linear(classifier) if layer is None else layer
    held: list[Any] = []
    hook = layer.register_forward_pre_hook(lambda _, given: held.append(given[0].detach().float().cpu().numpy().copy()))
    parts = []
    try:
        each = (
            1 if getattr(classifier, "one_by_one", False) else _BATCH
        )  # of several, the layer would see the last alone
        for start in range(0, len(images), each):
            held.clear()
            classifier(to_float(images[start : start + each]))
            parts.append(held[-1])
    finally:
        hook.remove()
    found = np.concatenate(parts)
    if not np.isfinite(found).all():
        raise ClassifierError(
            f"expected finite activations, got NaN or infinities for {int((~np.isfinite(found)).any(axis=1).sum())} "
            "samples; the network overflows on them: look at these samples, or use the profile"
        )
    return found
