"""TrainingHook: what an attack that trains jointly, or a repair, adds to the one loop."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["TrainingHook"]


class TrainingHook:
    """Override what you need; the loop calls it, and the loop alone trains the classifier.

    `name` goes into the run's identity: a resume file of another hook (or of none) is refused. A hook with weights of
    its own gives them by `state_dict` and takes them back by `load_state_dict`, so that a resumed run continues in the same way.

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
        """The batch to train on, from the augmented one: float32 NCHW in [0, 1], and int64 labels (B,) or float32 targets (B, K).

        The loss of a row of targets t is -sum_k t_k log p_k; a row that sums to w counts w times.

        All randomness comes from `generator` (on the CPU, seeded again each epoch). `model` is in training mode; leave
        it so, and its gradients empty.
        """
        return images, labels

    def on_gradients(self, images: torch.Tensor, labels: torch.Tensor, model: nn.Module) -> None:
        """Called when the weights have the gradients of this batch's loss, before the step: both may be changed."""

    def on_epoch_end(self, epoch: int, model: nn.Module) -> None:
        """Called after each epoch (from 0), before the resume file is written."""

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The hook's own state, as tensors."""
        return {}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Take back what `state_dict` gave."""
