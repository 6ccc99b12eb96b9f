"""RunState: the weights, the optimizer and the epoch of a training run, and its resume file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from doldrum.errors import InputError
from doldrum.training.checkpoint import read_tensors, write_tensors
from doldrum.training.hooks import TrainingHook
from doldrum.training.lean import lean
from doldrum.training.muon import Muon
from doldrum.training.recipe import Recipe

__all__ = ["RunState"]

_FORMAT = "doldrum-resume-1"


class RunState:
    """The state of a training run: the weights, the optimizers, the epoch and the history. Random numbers depend only
    on the seed and the epoch, so the state of random generators is not stored."""

    def __init__(self, model: nn.Module, recipe: Recipe, *, identity: str, hook: TrainingHook | None) -> None:
        self.model, self.recipe, self.identity, self.hook = model, recipe, identity, hook
        self.optimizers = _optimizers(model, recipe)
        self.epoch = 0
        self.history: list[dict[str, Any]] = []

    def backward(self, loss: torch.Tensor) -> None:
        """Delete all earlier gradients, and compute the gradient of `loss`."""
        for parameter in self.model.parameters():
            parameter.grad = None
        loss.backward()

    def step(self, rate: float) -> None:
        """Make one step with every optimizer, using the present gradients and the learning rate `rate`."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["scale"]
            optimizer.step()

    def save(self, path: str | Path) -> None:
        """Write the resume file, completely or not at all."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for number, optimizer in enumerate(self.optimizers):
            for index, slots in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{number}.{index}.{k}": torch.as_tensor(v) for k, v in slots.items()}
        if self.hook:
            tensors |= {f"hook.{name}": tensor for name, tensor in self.hook.state_dict().items()}
        header = {"format": _FORMAT, "run": self.identity, "epoch": self.epoch, "history": self.history}
        write_tensors(path, tensors, header)

    def resume(self, path: str | Path) -> None:
        """Continue from the resume file at `path`, if there is one. Raises InputError if the file belongs to another
        run."""
        if not Path(path).exists():
            return
        try:
            tensors, header = read_tensors(path, _FORMAT)
        except InputError as error:
            raise InputError(
                f"expected a resume file of this run at {path}, got a file that cannot be read ({error}); remove this file"
            ) from error
        if header.get("run") != self.identity:
            raise InputError(
                f"expected a resume file of this recipe, seed, data and hook, got the file of another run at {path}; remove this file, or name another file"
            )
        try:
            self._load(tensors, header)
        except (KeyError, ValueError, RuntimeError, TypeError) as error:
            raise InputError(
                f"expected a resume file of this network, got {path} ({error}); remove this file"
            ) from error

    def _load(self, tensors: dict[str, torch.Tensor], header: dict[str, Any]) -> None:
        parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "optimizer": {}, "hook": {}}
        for name, tensor in tensors.items():
            part, rest = name.split(".", 1)
            parts[part][rest] = tensor
        self.model.load_state_dict(parts["model"])
        slots: list[dict[int, dict[str, torch.Tensor]]] = [{} for _ in self.optimizers]
        for name, tensor in parts["optimizer"].items():
            number, index, key = name.split(".", 2)
            slots[int(number)].setdefault(int(index), {})[key] = tensor
        for optimizer, state in zip(self.optimizers, slots, strict=True):
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
        if self.hook:
            self.hook.load_state_dict(parts["hook"])
        self.epoch, self.history = int(header["epoch"]), list(header["history"])


def _optimizers(model: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Make one optimizer for all weights, or Muon for convolutions and SGD for all other weights. In each group of
    parameters, `scale` is a factor for the learning rate."""
    given = [p for p in model.parameters() if p.requires_grad]
    muon = [p for p in given if p.ndim == 4] if recipe.optimizer == "muon" else []
    rest = given if not muon else [p for p in given if p.ndim != 4]
    decayed = {"params": [p for p in rest if p.ndim > 1], "weight_decay": recipe.weight_decay, "scale": 1.0}
    plain = {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0, "scale": 1.0}
    groups = [group for group in (decayed, plain) if group["params"]]
    if recipe.optimizer == "adamw":
        return [lean(torch.optim.AdamW)(groups, lr=recipe.lr, betas=(recipe.momentum, 0.99), foreach=True)]
    nesterov = recipe.momentum > 0
    rest_by = lean(torch.optim.SGD)(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, foreach=True)
    if not muon:
        return [rest_by]
    return [rest_by, lean(Muon)([{"params": muon, "scale": recipe.muon_lr / recipe.lr}], lr=recipe.muon_lr)]
