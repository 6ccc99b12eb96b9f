"""train: the one training loop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from doldrum.checks import whole_number
from doldrum.data import as_labelled
from doldrum.engines.precision import best_precision
from doldrum.errors import InputError
from doldrum.networks import Transfer, build, load_pretrained
from doldrum.progress import progress_bar
from doldrum.provenance import versions_and_machine
from doldrum.seeds import child_seed
from doldrum.training.batches import as_trained, checked_data, epoch_batches
from doldrum.training.checkpoint import TrainedClassifier
from doldrum.training.features import trunk_features
from doldrum.training.hooks import TrainingHook
from doldrum.training.machine import run_settings
from doldrum.training.recipe import Recipe, get_recipe
from doldrum.training.state import RunState

__all__ = ["train"]


def train(
    data: Any,
    recipe: str | Recipe = "fashion-cnn",
    *,
    seed: int = 0,
    network: str | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
    hook: TrainingHook | None = None,
) -> TrainedClassifier:
    """Train a network on `data` as `recipe` says.

    Parameters
    ----------
    data
        An ImageSet, a source of (image, label) pairs or rows such as a torch Dataset, or anything with `images` (uint8, uint16 or floats in [0, 1], (N, C, H, W)), `labels` (N,), and, if it has
        them, `class_names` and `content_hash()`.
    recipe
        A Recipe or the name of one in RECIPES. Its thread count holds for the run and is put back afterwards.
    seed
        Decides the first weights, the order and the augmentation: the same seed gives the same weights bit for bit, in
        any process on the same machine and versions.
    network
        A network to use instead of the recipe's.
    checkpoint
        A resume file, written after each epoch in one step. If it is there, the run continues from it and ends with the
        weights that an uninterrupted run has. A file of another run (recipe, seed, data, hook) is refused.
    progress
        Draw a progress bar if standard error is a terminal.
    hook
        What an attack with joint training adds; see TrainingHook.

    Raises
    ------
    InputError
        for data, a recipe or a resume file that cannot be used, and if the loss is no longer finite.
    """
    seed = whole_number(seed, "seed", least=-(2**63), hint="e.g. 0")
    recipe = get_recipe(recipe, **({} if network is None else {"network": network}))
    if hook is not None and not isinstance(hook, TrainingHook):
        raise InputError(
            f"expected a TrainingHook, got {type(hook).__name__}; derive from doldrum.training.TrainingHook"
        )
    if checkpoint is not None and not isinstance(checkpoint, (str, Path)):
        raise InputError(f"expected the path of a resume file, got {type(checkpoint).__name__}; name a file")
    if getattr(data, "images", None) is None or hasattr(
        data, "__getitem__"
    ):  # what has items may hide other things as `images`
        data = as_labelled(data, what="training data")
    images, labels, classes = checked_data(data)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shape = (int(images.shape[1]), int(images.shape[2]), int(images.shape[3]))
    content = data.content_hash() if hasattr(data, "content_hash") else None
    identity = recipe.hash(seed=seed, data=content, classes=classes, hook=hook.name if hook else None)
    with run_settings(recipe.threads):
        torch.manual_seed(child_seed(seed, "train", "weights") % 2**63)
        model = build(recipe.network, input_shape=shape, num_classes=classes)
        if not load_pretrained(model):
            _fit_normalisation(model, images)
        model = model.to(device=device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        state = RunState(model, recipe, identity=identity, hook=hook)
        if checkpoint is not None:
            state.resume(checkpoint)
        trained: nn.Module = model
        if isinstance(model, nn.Sequential) and isinstance(model[1], Transfer) and _seen_unchanged(recipe, hook):
            trained = model[1].rest  # pyright: ignore[reportAssignmentType]
            in_bf16 = _in_bf16(recipe, device)
            images = trunk_features(
                model, images, precision=lambda: _precision(recipe, device), bf16=in_bf16, progress=progress
            )
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
                state.history.append(
                    _epoch(state, trained, chosen, recipe, seed, epoch * per_epoch, steps, hook, advance)
                )
                state.epoch = epoch + 1
                if hook:
                    hook.on_epoch_end(epoch, model)
                if checkpoint is not None:
                    state.save(checkpoint)
    metadata = {
        "network": recipe.network,
        "input_shape": shape,
        "num_classes": classes,
        "class_names": [str(name) for name in getattr(data, "class_names", None) or ()],
        "recipe": asdict(recipe),
        "recipe_hash": identity,
        "seed": seed,
        "data_hash": content,
        "hook": hook.name if hook else None,
        **versions_and_machine(),
    }
    return TrainedClassifier(model.eval(), metadata=metadata, history=state.history)


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
    """One pass; gives its line of the history. `trained` is what takes a batch: the network, or what is behind its frozen trunk."""
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
        with _precision(recipe, device):
            logits = trained(images)
            loss = F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
        state.step(loss, rate)
        loss_sum += loss.detach() * len(labels)
        right += (logits.detach().argmax(dim=1) == labels).sum()
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


def _in_bf16(recipe: Recipe, device: torch.device) -> bool:
    return recipe.precision == "bf16" or (recipe.precision == "auto" and best_precision(device) == "bf16")


def _precision(recipe: Recipe, device: torch.device) -> Any:
    return torch.autocast(device.type, dtype=torch.bfloat16) if _in_bf16(recipe, device) else nullcontext()


def _seen_unchanged(recipe: Recipe, hook: TrainingHook | None) -> bool:
    """Whether an image looks the same in every epoch, so that a frozen trunk need see it once."""
    return hook is None and not recipe.shift and not recipe.flip


def _fit_normalisation(model: nn.Module, images: Any) -> None:
    """Set the first layer's mean and standard deviation from the training images, of which 5,000 are plenty."""
    part = torch.from_numpy(as_trained(images[:: max(1, len(images) // 5000)].copy()))
    part = part.double() / (255 if part.dtype == torch.uint8 else 1)
    first = next(layer for layer in model.modules() if hasattr(layer, "std") and hasattr(layer, "mean"))
    first.mean.copy_(part.mean(dim=(0, 2, 3)).view(1, -1, 1, 1))  # pyright: ignore
    first.std.copy_(part.std(dim=(0, 2, 3)).clamp_min(1e-2).view(1, -1, 1, 1))  # pyright: ignore
