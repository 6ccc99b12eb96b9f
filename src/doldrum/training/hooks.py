"""TrainingHook: steps that an attack or a repair adds to the training loop."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["TrainingHook"]


class TrainingHook:
    """A base class for steps that are added to the training loop. Override the methods you need; the loop calls them.

    `name` is part of the run's identity: a resume file is refused if its run had another hook, or no hook. A hook that
    has weights returns them in `state_dict` and loads them in `load_state_dict`, so that a resumed run continues in the
    same way.

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

        For a row of targets t and the predicted probabilities p, the loss is -sum_k t_k log p_k. So if the targets in a
        row have the sum w, the row has the weight w in the loss. Take all random numbers from `generator` (on the CPU,
        seeded again each epoch). `model` is in training mode. Do not change the mode of the model, and do not leave
        gradients in the model.
        """
        return images, labels

    def on_gradients(self, images: torch.Tensor, labels: torch.Tensor, model: nn.Module) -> None:
        """This method is called after the gradients of the batch's loss were computed, and before the optimizer's step.
        This method may change weights and gradients."""

    def on_epoch_end(self, epoch: int, model: nn.Module) -> None:
        """This method is called after each epoch (numbered from 0), before the resume file is written."""

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The state of the hook as tensors, for the resume file."""
        return {}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Load a state that `state_dict` returned."""
