"""Effort: how long a search goes on, by what a forward of the model costs."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from doldrum.gradients.cost import is_large

__all__ = ["Effort", "effort_for"]


@dataclass(frozen=True)
class Effort:
    """`steps` of `batch` images for each of at most `together` routes. Where there are more, all get `screening` steps of `screening_batch` images first."""

    steps: int = 200
    batch: int = 24
    together: int = 24
    screening: int = 20
    screening_batch: int = 8


FULL = Effort()
THRIFTY = Effort(steps=100, batch=8, together=6, screening=15)
"""About a tenth of the images."""


def effort_for(module: torch.nn.Module, shape: tuple[int, int, int]) -> Effort:
    """Full for small models, thrifty for large ones: a function of the model alone, so that references are searched as long as the model is.

    >>> effort_for(torch.nn.Flatten(), (1, 2, 2)).steps
    200
    """
    return THRIFTY if is_large(module, shape) else FULL
