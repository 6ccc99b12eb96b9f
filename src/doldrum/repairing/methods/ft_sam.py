"""`ft-sam`: fine-tune on clean images towards weights around which the loss stays low."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from doldrum.repairing.contract import RepairMethod, Task
from doldrum.repairing.recipe import for_task
from doldrum.training.hooks import TrainingHook

__all__ = ["FtSam", "sharpest"]

_TINY = 1e-12


@dataclass(frozen=True)
class FtSam(RepairMethod):
    """Sharpness-aware fine-tuning: each step uses the gradient at the worst weights nearby.

    The weights of a backdoor are large. The larger a weight is, the farther it is moved to find the worst weights
    nearby. So large weights are disturbed most, and the training makes these weights smaller.

    Source: Zhu et al. 2023, "Enhancing Fine-Tuning Based Backdoor Defense with Sharpness-Aware Minimization", arXiv 2304.11823, equations 3 to 5.
    """

    lr: float = 0.01
    epochs: float = 20
    rho: float = 2.0
    """The distance to the worst weights, in units of the weights."""

    name = "ft-sam"
    title = "fine-tuning on clean images with sharpness-aware minimisation"
    paper = "Zhu et al. 2023, arXiv 2304.11823"
    needs_labels = True

    def repair(self, task: Task) -> None:
        task.tune(for_task(task, lr=self.lr, epochs=self.epochs), stage=self.name, hook=_Sharp(self.rho))


class _Sharp(TrainingHook):
    """Moves the weights to the worst point nearby before the gradient is computed, and back before the step."""

    def __init__(self, rho: float) -> None:
        self.rho, self.name = rho, f"sam {rho:g}"
        self._kept: list[tuple[nn.Parameter, torch.Tensor]] = []

    def on_batch(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, model: nn.Module
    ) -> tuple[torch.Tensor, torch.Tensor]:
        weights = [p for p in model.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(F.cross_entropy(model(images), labels), weights, allow_unused=True)
        moves = sharpest(weights, gradients, self.rho)
        self._kept = [(w, w.detach().clone()) for w in weights]
        with torch.no_grad():
            for weight, move in zip(weights, moves, strict=True):
                weight.add_(move)
        return images, labels

    def on_gradients(self, images: torch.Tensor, labels: torch.Tensor, model: nn.Module) -> None:
        with torch.no_grad():
            for weight, before in self._kept:
                weight.copy_(before)
        self._kept = []


def sharpest(
    weights: list[torch.Tensor] | list[nn.Parameter], gradients: tuple[torch.Tensor | None, ...], rho: float
) -> list[torch.Tensor]:
    """Return the change e of the weights that raises the loss most, by a first-order estimate. The change is e = rho
    T^2 g / ||T g||, with T = diag(|w|), where w are the weights and g are their gradients. Of all changes e with ||e /
    T|| <= rho, this one raises the loss most. Takes the weights w and their gradients g, in any shapes, and returns e
    in the same shapes (0 if there is no gradient).

    >>> [e.tolist() for e in sharpest([torch.tensor([2.0, 0.0])], (torch.tensor([3.0, 5.0]),), 1.0)]
    [[2.0, 0.0]]
    """
    scaled = [
        torch.zeros_like(w) if g is None else w.detach().abs() * g for w, g in zip(weights, gradients, strict=True)
    ]
    norm = torch.sqrt(sum((s.square().sum() for s in scaled), start=torch.zeros(()))).clamp_min(_TINY)
    return [rho * w.detach().abs() * s / norm for w, s in zip(weights, scaled, strict=True)]
