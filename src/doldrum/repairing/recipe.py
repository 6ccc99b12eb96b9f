"""The training recipe that the repair methods use for a few hundred clean images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from doldrum.repairing.contract import Task
from doldrum.training.recipe import Recipe

__all__ = ["TUNING", "for_task"]

TUNING = Recipe(
    network="as it is", epochs=20, batch_size=64, lr=0.01, schedule="one-cycle", warmup=0.1, precision="fp32", threads=1
)
_LEAST_STEPS = 200  # of a few images there are more epochs
_BATCH_OF_LARGE, _STEPS_OF_LARGE = 32, 60  # what a ResNet-18 does in minutes on two cores


def for_task(task: Task, **changes: Any) -> Recipe:
    """Return the training recipe TUNING with other values for the settings in `changes`.

    If there are so few images that training would take fewer than 200 steps, there are more epochs. A large model is
    trained for at most 60 steps with 32 images each, on two threads.
    """
    made = replace(TUNING, **changes)
    if task.large:
        made = replace(made, batch_size=_BATCH_OF_LARGE, threads=2)
    per_epoch = max(1, len(task.data) // min(made.batch_size, len(task.data)))
    epochs = min(made.epochs, _STEPS_OF_LARGE / per_epoch) if task.large else max(made.epochs, _LEAST_STEPS / per_epoch)
    return replace(made, epochs=epochs)
