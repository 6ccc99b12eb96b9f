"""The training loop, its recipes, hooks and checkpoints. The same loop trains every backdoored and every clean network.
The layers of networks are not in this package, but in `networks`. An attack that changes the training defines its own
`TrainingHook`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doldrum.lazy import torch_names
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

__getattr__ = torch_names(__name__, _HOMES)
