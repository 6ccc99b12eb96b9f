"""`Effort` says how long a trigger search takes. The effort depends on how expensive a forward pass of the model is."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from doldrum.gradients.cost import is_large

__all__ = ["Effort", "effort_for"]


@dataclass(frozen=True)
class Effort:
    """The number of optimisation steps of a search, and their batch sizes.

    At most `together` routes are searched at once, each in `steps` steps with `batch` images per step. If there are
    more routes, `screening` is the number of first steps for all routes, with `screening_batch` images per step.
    """

    steps: int = 200
    batch: int = 24
    together: int = 24
    screening: int = 20
    screening_batch: int = 8


FULL = Effort()
THRIFTY = Effort(steps=100, batch=8, together=6, screening=15)
"""An effort that needs about a tenth of the images that `FULL` needs."""


def effort_for(module: torch.nn.Module, shape: tuple[int, int, int]) -> Effort:
    """The full effort for small models, and the small effort for large models.

    The effort depends only on the model, so the searches in a model and in its references are equally long.

    >>> effort_for(torch.nn.Flatten(), (1, 2, 2)).steps
    200
    """
    return THRIFTY if is_large(module, shape) else FULL
