"""`Steady` is a model that stays in evaluation mode while it is trained."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Steady"]


class Steady(nn.Module):
    """A wrapper that keeps a model in evaluation mode while it is trained.

    So the model's normalisation layers keep the statistics of the original training data. In training mode, the
    normalisation layers would take their statistics from a few hundred clean images, some of them mixed or with a
    trigger.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.training = False

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images)

    def train(self, mode: bool = True) -> Steady:
        return self
