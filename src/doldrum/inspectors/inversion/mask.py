"""A trigger form: a pattern with a mask, as in Neural Cleanse."""

from __future__ import annotations

import torch

from doldrum.inspectors.inversion.form import Form, Parts
from doldrum.triggers.base import Trigger
from doldrum.triggers.masked import MaskedPattern

__all__ = ["Mask"]


class Mask(Form):
    """A pattern p replaces pixels by a mask m: x <- (1 - m) x + m p. The size is the sum of m, in pixels.

    Source: Wang et al. 2019, "Neural Cleanse", IEEE S&P, equations 2 and 3.
    """

    name = "mask"
    title = "a pattern under a mask"
    rate = 0.1

    def start(self, routes: int, shape: tuple[int, int, int], chance: torch.Generator) -> Parts:
        mask = torch.randn((routes, 1, *shape[1:]), generator=chance) / 2 - 2
        return [mask, torch.randn((routes, *shape), generator=chance) / 2]

    def apply(self, parts: Parts, images: torch.Tensor) -> torch.Tensor:
        mask, pattern = (torch.sigmoid(p)[:, None] for p in parts)
        return images + mask * (pattern - images)

    def size(self, parts: Parts, shape: tuple[int, int, int]) -> torch.Tensor:
        return torch.sigmoid(parts[0]).sum((1, 2, 3))

    def trigger(self, parts: Parts, shape: tuple[int, int, int]) -> Trigger:
        mask, pattern = (torch.sigmoid(p)[0].numpy() for p in parts)
        return MaskedPattern(mask=mask[0], pattern=pattern)
