"""Training: the one loop, its recipes, checkpoints and evaluation."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from doldrum.errors import missing_extra
from doldrum.training.recipe import RECIPES, Recipe, get_recipe

if TYPE_CHECKING:
    from doldrum.training.checkpoint import TrainedClassifier, load_checkpoint, save_checkpoint
    from doldrum.training.evaluate import accuracy, predict_labels
    from doldrum.training.hooks import TrainingHook
    from doldrum.training.loop import train

# What needs torch is imported when it is first used: recipes can be listed without it.
_HOMES = {
    "TrainedClassifier": "checkpoint",
    "load_checkpoint": "checkpoint",
    "save_checkpoint": "checkpoint",
    "accuracy": "evaluate",
    "predict_labels": "evaluate",
    "TrainingHook": "hooks",
    "train": "loop",
}

__all__ = [
    "RECIPES",
    "Recipe",
    "TrainedClassifier",
    "TrainingHook",
    "accuracy",
    "get_recipe",
    "load_checkpoint",
    "predict_labels",
    "save_checkpoint",
    "train",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'doldrum.training' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"doldrum.training.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name in ("torch", "safetensors"):
            raise missing_extra(error.name, "torch") from error
        raise
    globals()[name] = value
    return value
