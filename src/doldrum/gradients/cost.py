"""The cost of a forward pass of a model."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["is_large"]

_LARGE = 100e6  # FLOPs


def is_large(module: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether a forward pass of one image with `shape` (C, H, W) takes more than 1e8 FLOPs. Each multiply-add counts as
    2 FLOPs. If a pass takes more than 1e8 FLOPs, searches and repairs use fewer forward passes.

    This decision depends only on the model, so that all machines do the same work.

    >>> is_large(nn.Flatten(), (1, 2, 2)), is_large(nn.Conv2d(1, 1000, 3), (1, 100, 100))
    (False, True)
    """
    held = next(module.parameters(), None)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        module(torch.zeros((1, *shape), device=None if held is None else held.device))
    return counter.get_total_flops() > _LARGE
