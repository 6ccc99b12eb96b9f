"""`fine-prune`: prune the channels that clean images do not activate, then fine-tune."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from doldrum.gradients.trainable import Channels, Trainable
from doldrum.pixels import to_float
from doldrum.repairing.contract import RepairMethod, Task
from doldrum.repairing.recipe import for_task
from doldrum.training.evaluate import accuracy
from doldrum.training.hooks import TrainingHook

__all__ = ["FinePrune", "activity"]

_STEPS = 20  # shares of the channels that are tried


@dataclass(frozen=True)
class FinePrune(RepairMethod):
    """Prune channels of the last convolution with the lowest mean activation on clean images, then fine-tune.

    The number of pruned channels is the largest one with which the accuracy falls by at most `most`.

    Source: Liu, Dolan-Gavitt and Garg 2018, "Fine-Pruning", arXiv 1805.12185, section 4.
    """

    lr: float = 0.01
    epochs: float = 20
    most: float = 0.04
    """The largest loss of accuracy on the clean images that pruning may cause, before the fine-tuning."""

    name = "fine-prune"
    title = "pruning channels that clean images do not activate, then fine-tuning"
    paper = "Liu et al. 2018, arXiv 1805.12185"
    needs_labels = True

    def repair(self, task: Task) -> None:
        layer, named = task.model.last_channels(), dict(task.model.named_parameters())
        order = torch.argsort(activity(task.model, layer, task.data.images), stable=True)
        before, gone = accuracy(task.model, task.data), order[:0]
        weights = [named[name] for name in layer if name]
        kept = [p.detach().clone() for p in weights]
        for step in range(1, _STEPS):
            tried = order[: len(order) * step // _STEPS]
            _zero(weights, tried)
            if accuracy(task.model, task.data) < before - self.most:
                break
            gone = tried
        with torch.no_grad():
            for weight, value in zip(weights, kept, strict=True):
                weight.copy_(value)
        _zero(weights, gone)
        recipe = for_task(task, lr=self.lr, epochs=self.epochs)
        task.tune(recipe, stage=self.name, hook=_StayPruned(weights, gone))


class _StayPruned(TrainingHook):
    """Keeps the weights of pruned channels at 0 during the fine-tuning."""

    name = "stay pruned"

    def __init__(self, weights: list[nn.Parameter], gone: torch.Tensor) -> None:
        self._weights, self._gone = weights, gone

    def on_gradients(self, images: torch.Tensor, labels: torch.Tensor, model: nn.Module) -> None:
        for weight in self._weights:
            if weight.grad is not None:
                weight.grad[self._gone] = 0


def _zero(weights: list[nn.Parameter], channels: torch.Tensor) -> None:
    with torch.no_grad():
        for weight in weights:
            weight[channels] = 0


def activity(model: Trainable, layer: Channels, images: NDArray[Any]) -> torch.Tensor:
    """Return, for each channel of a layer, the mean of max(0, output) over all images and positions."""
    sums: list[torch.Tensor] = []

    def note(output: torch.Tensor) -> None:
        sums.append(output.detach().clamp_min(0).mean(dim=(2, 3)).double().sum(dim=0))

    with model.watching(layer, note), torch.no_grad():
        for start in range(0, len(images), 250):
            model(torch.from_numpy(to_float(images[start : start + 250])))
    return torch.stack(sums).sum(dim=0) / len(images)
