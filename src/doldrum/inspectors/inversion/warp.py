"""A trigger form: a smooth warp that is the same for every image."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from doldrum.inspectors.inversion.form import Form, Parts, enlarged
from doldrum.triggers.base import Trigger
from doldrum.triggers.displacement import Displacement

__all__ = ["Warp"]


class Warp(Form):
    """Each pixel takes its value from another position of the image, at the displacement f. The field f is smooth (5 x
    5 control points).

    The size is the root mean square of |f|.

    Source: Nguyen & Tran 2021, arXiv 2102.10369, equations 3 to 6 (the trigger).
    """

    name = "warp"
    title = "a smooth warp"
    rate = 0.1
    points = 5

    def start(self, routes: int, shape: tuple[int, int, int], chance: torch.Generator) -> Parts:
        return [torch.randn((routes, 2, self.points, self.points), generator=chance) / 10]

    def field(self, parts: Parts, shape: tuple[int, int, int]) -> torch.Tensor:
        """The displacements (R, 2, H, W) in pixels: rows, then columns.

        The displacements grow in proportion to the image's shorter side.
        """
        return enlarged(parts[0], shape) * (min(shape[1:]) / 28)

    def apply(self, parts: Parts, images: torch.Tensor) -> torch.Tensor:
        routes, batch, channels, height, width = images.shape
        field = self.field(parts, (channels, height, width))
        rows = torch.arange(height, dtype=field.dtype)[:, None] + field[:, 0]
        columns = torch.arange(width, dtype=field.dtype) + field[:, 1]
        places = torch.stack([columns * 2 / max(width - 1, 1) - 1, rows * 2 / max(height - 1, 1) - 1], dim=-1)
        places = places[:, None].expand(routes, batch, height, width, 2).reshape(-1, height, width, 2)
        flat = images.reshape(-1, channels, height, width)
        return F.grid_sample(flat, places, padding_mode="border", align_corners=True).reshape(images.shape)

    def size(self, parts: Parts, shape: tuple[int, int, int]) -> torch.Tensor:
        return (self.field(parts, shape).square().sum(1).flatten(1).mean(1) + 1e-8).sqrt()

    def trigger(self, parts: Parts, shape: tuple[int, int, int]) -> Trigger:
        return Displacement(field=self.field(parts, shape)[0].numpy())
