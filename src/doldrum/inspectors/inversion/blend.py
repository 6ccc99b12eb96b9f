"""A trigger form: a picture that is mixed into the whole image."""

from __future__ import annotations

import torch

from doldrum.inspectors.inversion.form import Form, Parts
from doldrum.triggers.base import Trigger
from doldrum.triggers.blended import Blended

__all__ = ["Blend"]


class Blend(Form):
    """A picture p is mixed in: x <- (1 - a) x + a p, with one share a for all pixels. The size is a.

    Source: Chen et al. 2017, arXiv 1712.05526, section 3.2.
    """

    name = "blend"
    title = "a picture mixed in"
    rate = 0.1

    def start(self, routes: int, shape: tuple[int, int, int], chance: torch.Generator) -> Parts:
        return [torch.zeros(routes), torch.randn((routes, *shape), generator=chance) / 2]

    def apply(self, parts: Parts, images: torch.Tensor) -> torch.Tensor:
        share = torch.sigmoid(parts[0])[:, None, None, None, None]
        return images + share * (torch.sigmoid(parts[1])[:, None] - images)

    def size(self, parts: Parts, shape: tuple[int, int, int]) -> torch.Tensor:
        return torch.sigmoid(parts[0])

    def trigger(self, parts: Parts, shape: tuple[int, int, int]) -> Trigger:
        return Blended(alpha=float(torch.sigmoid(parts[0])[0]), pattern=torch.sigmoid(parts[1])[0].numpy())
