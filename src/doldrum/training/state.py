"""RunState: the weights, the optimizer and how far a run is, with its resume file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from doldrum.errors import InputError
from doldrum.training.checkpoint import read_tensors, write_tensors
from doldrum.training.hooks import TrainingHook
from doldrum.training.recipe import Recipe

__all__ = ["RunState"]

_FORMAT = "doldrum-resume-1"


class RunState:
    """What changes as a run goes on. Every random number is a function of (seed, epoch), so none needs keeping."""

    def __init__(self, model: nn.Module, recipe: Recipe, *, identity: str, hook: TrainingHook | None) -> None:
        self.model, self.recipe, self.identity, self.hook = model, recipe, identity, hook
        self.optimizer = _optimizer(model, recipe)
        self.epoch = 0
        self.history: list[dict[str, Any]] = []

    def step(self, loss: torch.Tensor, rate: float, *, done: float) -> None:
        """One step down the gradient of `loss`; `done` is the fraction of the run behind it."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def finish(self, images: Any, batch: int) -> None:
        """What is done once after the last step."""

    def save(self, path: str | Path) -> None:
        """Write the resume file, all or nothing."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in slots.items()}
        if self.hook:
            tensors |= {f"hook.{name}": tensor for name, tensor in self.hook.state_dict().items()}
        header = {"format": _FORMAT, "run": self.identity, "epoch": self.epoch, "history": self.history}
        write_tensors(path, tensors, header)

    def resume(self, path: str | Path) -> None:
        """Go on from the resume file at `path`, if there is one; InputError if it belongs to another run."""
        if not Path(path).exists():
            return
        tensors, header = read_tensors(path, _FORMAT)
        if header.get("run") != self.identity:
            raise InputError(
                f"expected a resume file of this recipe, seed, data and hook, got another run's at {path}; "
                "remove it or name another file"
            )
        try:
            self._load(tensors, header)
        except (KeyError, ValueError, RuntimeError, TypeError) as error:
            raise InputError(f"expected a resume file of this network, got {path} ({error}); remove it") from error

    def _load(self, tensors: dict[str, torch.Tensor], header: dict[str, Any]) -> None:
        parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "optimizer": {}, "hook": {}}
        for name, tensor in tensors.items():
            part, rest = name.split(".", 1)
            parts[part][rest] = tensor
        self.model.load_state_dict(parts["model"])
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in parts["optimizer"].items():
            index, key = name.split(".", 1)
            slots.setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        if self.hook:
            self.hook.load_state_dict(parts["hook"])
        self.epoch, self.history = int(header["epoch"]), list(header["history"])


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, betas=(recipe.momentum, 0.99), foreach=True)
    nesterov = recipe.momentum > 0
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, foreach=True)
