"""How a few hundred clean images are trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from doldrum.data import ImageSet
from doldrum.training.recipe import Recipe

__all__ = ["TUNING", "for_data"]

TUNING = Recipe(
    network="as it is", epochs=20, batch_size=64, lr=0.01, schedule="one-cycle", warmup=0.1, precision="fp32", threads=1
)
_LEAST_STEPS = 200  # of a few images there are more epochs


def for_data(recipe: Recipe, data: ImageSet, **changes: Any) -> Recipe:
    """The recipe with changes, and with more epochs where there are so few images that it would make less than 200 steps."""
    made = replace(recipe, **changes)
    per_epoch = max(1, len(data) // min(made.batch_size, len(data)))
    return replace(made, epochs=max(made.epochs, _LEAST_STEPS / per_epoch))
