"""train: train a network from random weights. All training uses the same loop."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from doldrum.checks import whole_number
from doldrum.data import as_labelled
from doldrum.errors import InputError
from doldrum.networks import Transfer, build, load_pretrained
from doldrum.provenance import versions_and_machine
from doldrum.seeds import child_seed
from doldrum.training.batches import as_trained, checked_data
from doldrum.training.checkpoint import TrainedClassifier
from doldrum.training.epochs import in_bf16, precision, run_epochs
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
        The training images with labels, in one of three forms: an ImageSet, a source of (image, label) pairs or rows
        such as a torch Dataset, or an object with `images` and `labels`. In such an object, `images` has the shape (N,
        C, H, W) and holds uint8, uint16 or floats in [0, 1], and `labels` has the shape (N,). The object with images
        and labels may also have `class_names` and `content_hash()`.
    recipe
        A Recipe, or the name of a recipe in RECIPES. During the run, torch uses the recipe's number of threads.
    seed
        The seed decides the initial weights, the order of the images and the augmentation. The same seed gives the same
        weights bit for bit, in any process on the same machine with the same versions.
    network
        The name of a network that replaces the network of the recipe.
    checkpoint
        A resume file, which is replaced after each epoch in one step. If the file exists, the run continues from it,
        and ends with the same weights as an uninterrupted run. The file is refused if it belongs to a run with another
        recipe, seed, data or hook.
    progress
        Show a progress bar if standard error is a terminal.
    hook
        Steps that an attack or a repair adds to the training; see TrainingHook.

    Raises
    ------
    InputError
        if the data, the recipe or the resume file cannot be used, or if the loss becomes infinite or NaN.
    """
    seed = whole_number(seed, "seed=", least=-(2**63), hint="e.g. 0")
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
            bf16 = in_bf16(recipe, device)
            images = trunk_features(
                model, images, precision=lambda: precision(recipe, device), bf16=bf16, progress=progress
            )
        run_epochs(
            state,
            trained,
            images,
            labels,
            seed=seed,
            hook=hook,
            device=device,
            checkpoint=checkpoint,
            progress=progress,
        )
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


def _seen_unchanged(recipe: Recipe, hook: TrainingHook | None) -> bool:
    """Whether each image looks the same in every epoch, so that each image has to go through a frozen trunk only
    once."""
    return hook is None and not recipe.shift and not recipe.flip


def _fit_normalisation(model: nn.Module, images: Any) -> None:
    """Set the first layer's mean and standard deviation from about 5,000 training images, or from all if there are
    fewer."""
    part = torch.from_numpy(as_trained(images[:: max(1, len(images) // 5000)].copy()))
    part = part.double() / (255 if part.dtype == torch.uint8 else 1)
    first = next(layer for layer in model.modules() if hasattr(layer, "std") and hasattr(layer, "mean"))
    first.mean.copy_(part.mean(dim=(0, 2, 3)).view(1, -1, 1, 1))  # pyright: ignore
    first.std.copy_(part.std(dim=(0, 2, 3)).clamp_min(1e-2).view(1, -1, 1, 1))  # pyright: ignore
