"""TrainingHook: steps that an attack or a repair adds to the training loop."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["TrainingHook"]


class TrainingHook:
    """A base class for steps that are added to the training loop. Override the methods you need; the loop calls them.

    `name` is part of the run's identity: a resume file of a run with another hook, or without one, is refused. A hook
    that has weights returns them in `state_dict` and loads them in `load_state_dict`, so that a resumed run continues
    in the same way.

    >>> class Noise(TrainingHook):
    ...     name = "noise 0.1"
    ...     def on_batch(self, images, labels, generator, model):
    ...         noise = torch.randn(images.shape, generator=generator).to(images.device)
    ...         return (images + 0.1 * noise).clamp(0, 1), labels
    """

    name: str = "hook"

    def on_batch(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, model: nn.Module
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the batch to train on, made from the augmented batch: float32 NCHW in [0, 1], and int64 labels (B,) or
        float32 targets (B, K).

        The loss of a row of targets t is -sum_k t_k log p_k, so a row that sums to w counts w times. Take all random
        numbers from `generator` (on the CPU, seeded again each epoch). `model` is in training mode. Do not change the
        model's mode, and leave its gradients empty.
        """
        return images, labels

    def on_gradients(self, images: torch.Tensor, labels: torch.Tensor, model: nn.Module) -> None:
        """Called after the gradients of this batch's loss were computed, and before the step. This method may change
        weights and gradients."""

    def on_epoch_end(self, epoch: int, model: nn.Module) -> None:
        """Called after each epoch (from 0), before the resume file is written."""

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The hook's own state, as tensors."""
        return {}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Load a state that `state_dict` returned."""
