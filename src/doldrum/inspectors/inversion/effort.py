"""`Effort` says how long a trigger search takes. The effort depends on how expensive a forward pass of the model is."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from doldrum.gradients.cost import is_large

__all__ = ["Effort", "effort_for"]


@dataclass(frozen=True)
class Effort:
    """The number of optimisation steps of a trigger search, and the number of images in each step.

    At most `together` routes are searched at once, each in `steps` steps with `batch` images per step. If there are
    more than `together` routes, all routes first get `screening` steps with `screening_batch` images per step.
    """

    steps: int = 200
    batch: int = 24
    together: int = 24
    screening: int = 20
    screening_batch: int = 8


FULL = Effort()
THRIFTY = Effort(steps=100, batch=8, together=6, screening=15)
"""The effort for large models, which uses about a tenth as many images as `FULL`."""


def effort_for(module: torch.nn.Module, shape: tuple[int, int, int]) -> Effort:
    """Choose the effort of a search: `FULL` for small models, and `THRIFTY` for large models.

    The effort depends only on the model, so the searches in a model and in its references are equally long.

    >>> effort_for(torch.nn.Flatten(), (1, 2, 2)).steps
    200
    """
    return THRIFTY if is_large(module, shape) else FULL
