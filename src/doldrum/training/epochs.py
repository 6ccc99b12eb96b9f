"""run_epochs: run the training loop from the present epoch of a run to its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from doldrum.engines.precision import best_precision
from doldrum.errors import InputError
from doldrum.progress import progress_bar
from doldrum.seeds import child_seed
from doldrum.training.batches import epoch_batches
from doldrum.training.hooks import TrainingHook
from doldrum.training.recipe import Recipe
from doldrum.training.state import RunState

__all__ = ["in_bf16", "precision", "run_epochs"]


def run_epochs(
    state: RunState,
    trained: nn.Module,
    images: Any,
    labels: np.ndarray,
    *,
    seed: int,
    hook: TrainingHook | None,
    device: torch.device,
    checkpoint: str | Path | None,
    progress: bool,
) -> None:
    """Train from epoch `state.epoch` to the end, as the recipe of `state` says. `checkpoint` is written after each
    epoch.

    `trained` is the module that gets each batch: the whole network, or the part of the network after its frozen trunk.
    All random numbers depend only on the seed and the number of the epoch.
    """
    recipe = state.recipe
    batch = min(recipe.batch_size, len(images))
    per_epoch = len(images) // batch
    steps = max(1, round(recipe.epochs * per_epoch))
    epochs = -(-steps // per_epoch)
    with progress_bar("training", steps, show=progress) as advance:
        advance(min(state.epoch * per_epoch, steps))
        for epoch in range(state.epoch, epochs):
            torch.manual_seed(child_seed(seed, "train", "dropout", epoch) % 2**63)
            generator = torch.Generator().manual_seed(child_seed(seed, "train", "epoch", epoch) % 2**63)
            batches = epoch_batches(
                images, labels, batch_size=batch, generator=generator, device=device,
                shift=recipe.shift, flip=recipe.flip,
            )  # fmt: skip
            count = min(per_epoch, steps - epoch * per_epoch)
            chosen = (pair for pair, _ in zip(batches, range(count), strict=False))
            state.history.append(_epoch(state, trained, chosen, recipe, seed, epoch * per_epoch, steps, hook, advance))
            state.epoch = epoch + 1
            if hook:
                hook.on_epoch_end(epoch, state.model)
            if checkpoint is not None:
                state.save(checkpoint)


def _epoch(
    state: RunState,
    trained: nn.Module,
    batches: Iterator[tuple[torch.Tensor, torch.Tensor]],
    recipe: Recipe,
    seed: int,
    first: int,
    steps: int,
    hook: TrainingHook | None,
    advance: Any,
) -> dict[str, Any]:
    """Train for one epoch, and return the history entry of this epoch. `trained` is the whole network, or the part of
    the network after its frozen trunk."""
    began = time.perf_counter()
    model = state.model.train()
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(child_seed(seed, "train", "hook", first) % 2**63)
    loss_sum, right = torch.zeros((), device=device), torch.zeros((), dtype=torch.int64, device=device)
    seen, step, rate = 0, first, recipe.lr
    for step, (images, labels) in enumerate(batches, start=first):
        if hook:
            images, labels = hook.on_batch(images, labels, generator, model)
        rate = recipe.lr_at(step, steps)
        with precision(recipe, device):
            logits = trained(images)
            loss = F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
        state.backward(loss)
        if hook:
            hook.on_gradients(images, labels, model)
        state.step(rate)
        loss_sum += loss.detach() * len(labels)
        wanted = labels if labels.ndim == 1 else labels.argmax(dim=1)
        right += (logits.detach().argmax(dim=1) == wanted).sum()
        seen += len(labels)
        if step % 10 == 9:
            _check_finite(loss, step)
        advance(1)
    _check_finite(loss_sum, step)
    return {
        "epoch": state.epoch,
        "loss": float(loss_sum) / seen,
        "accuracy": int(right) / seen,
        "lr": rate,
        "seconds": round(time.perf_counter() - began, 3),
    }


def _check_finite(loss: torch.Tensor, step: int) -> None:
    if not torch.isfinite(loss):
        raise InputError(
            f"expected a finite loss, got {float(loss)} by step {step}; lower lr or look for NaN in the data"
        )


def in_bf16(recipe: Recipe, device: torch.device) -> bool:
    """Whether a run with this recipe computes in bfloat16 on this device."""
    return recipe.precision == "bf16" or (recipe.precision == "auto" and best_precision(device) == "bf16")


def precision(recipe: Recipe, device: torch.device) -> Any:
    """A context manager that sets the precision of a run's forward passes."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if in_bf16(recipe, device) else nullcontext()
