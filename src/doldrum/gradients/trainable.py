"""Trainable: a copy of a classifier's model whose weights can be changed, and the classifier that it makes then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import nn

from doldrum.classifiers.adapters.module import ModuleClassifier
from doldrum.classifiers.base import Classifier
from doldrum.errors import ClassifierError
from doldrum.gradients.copied import frozen_copy

__all__ = ["Trainable"]

_TINY = float(torch.finfo(torch.float32).tiny)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Trainable(nn.Module):
    """Float32 images (B, C, H, W) in [0, 1] to float32 logits or log-probabilities (B, K), with gradients to the weights.

    A copy: the classifier's own weights stay as they are. Parameters that its module had frozen stay frozen, unless all were.

    Raises ClassifierError for a classifier whose weights are out of reach, or that has none.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        if not isinstance(classifier, ModuleClassifier) or classifier.outputs == "labels":
            what, do = classifier.no_gradients
            if classifier.outputs == "labels":
                what, do = "one that gives labels only", "give one with scores"
            raise ClassifierError(f"expected a model whose weights can be trained, got {what}; {do}")
        classifier.check_state()
        self.source = classifier
        self.scores: Literal["logits", "log-probabilities"] = (
            "log-probabilities" if classifier.outputs == "probabilities" else "logits"
        )
        self.model = frozen_copy(classifier.module)
        given = {name for name, p in classifier.module.named_parameters() if p.requires_grad}
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(not given or name in given)
        if not any(True for _ in self.parameters()):
            raise ClassifierError("expected a model with weights that can be trained, got one that has none")
        self.training = False

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.model(images).float()
        return found.clamp_min(_TINY).log() if self.scores == "log-probabilities" else found

    def channels(self) -> Iterator[tuple[str, nn.Parameter]]:
        """(name, weight) whose first axis are the units that pruning looks at: those of batch normalisation where there is any, else of convolutions, else of hidden linear layers."""
        layers = dict(self.model.named_modules())
        kinds = [
            [n for n, one in layers.items() if isinstance(one, _NORMS) and one.affine],
            [n for n, one in layers.items() if isinstance(one, nn.Conv2d)],
            [n for n, one in layers.items() if isinstance(one, nn.Linear)][:-1],
        ]
        for name in next((found for found in kinds if found), []):
            yield f"model.{name}.weight", layers[name].weight  # pyright: ignore[reportReturnType]

    def classifier(self) -> Classifier:
        """A classifier of the kind that was given, with a copy of the weights as they are now."""
        made = frozen_copy(self.model).to(self.source.dtype)
        return self.source.with_module(made)
