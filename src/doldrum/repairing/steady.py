"""Steady: a model that is trained in evaluation mode."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Steady"]


class Steady(nn.Module):
    """The same model, which stays in evaluation mode while it is trained: its normalisation layers keep the statistics of the data that it was made with.

    A few hundred clean images, some of them mixed or with a trigger, would give others.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.training = False

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images)

    def train(self, mode: bool = True) -> Steady:
        return self
