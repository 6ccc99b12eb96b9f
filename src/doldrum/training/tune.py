"""tune: train an existing network further, with the same training loop."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from doldrum.training.batches import checked_data
from doldrum.training.epochs import run_epochs
from doldrum.training.hooks import TrainingHook
from doldrum.training.machine import run_settings
from doldrum.training.recipe import Recipe
from doldrum.training.state import RunState

__all__ = ["state_digest", "tune"]


def tune(
    model: nn.Module,
    data: Any,
    recipe: Recipe,
    *,
    num_classes: int,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    hook: TrainingHook | None = None,
    progress: bool = False,
) -> list[dict[str, Any]]:
    """Train `model` further as `recipe` says: in place, and on the device of the model. Return the history, with one
    entry per epoch.

    Only parameters with `requires_grad` and the statistics of normalisation layers change. The model is in evaluation
    mode afterwards. The recipe's `network` is ignored.

    Parameters
    ----------
    model : images (B, C, H, W) in [0, 1] -> logits or log-probabilities (B, K)
    data : an ImageSet with labels, or an object with `images` and `labels`; all labels are below `num_classes`
    checkpoint : path, optional
        A resume file, as in `train`. An interrupted run continues from this file, and ends with the same weights as an
        uninterrupted run. The file is refused if it was written by a run with another model, data, recipe, seed or
        hook.

    Raises InputError if the data cannot be used, or if the loss becomes infinite or NaN.
    """
    images, labels, classes = checked_data(data, num_classes)
    device = next(model.parameters()).device
    content = data.content_hash() if hasattr(data, "content_hash") else None
    identity = recipe.hash(
        seed=seed, data=content, classes=classes, hook=hook.name if hook else None, start=state_digest(model)
    )
    with run_settings(recipe.threads):
        state = RunState(model, recipe, identity=identity, hook=hook)
        if checkpoint is not None:
            state.resume(checkpoint)
        run_epochs(
            state, model, images, labels, seed=seed, hook=hook, device=device, checkpoint=checkpoint, progress=progress
        )
    for part in model.modules():
        part.training = False  # .eval() is refused by what torch.export gives
    return state.history


def state_digest(model: nn.Module) -> str:
    """SHA-256 of a module's parameters and buffers, as hexadecimal."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
