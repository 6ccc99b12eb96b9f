"""One perturbation that is added to all images, either with any frequencies or only with low frequencies."""

from __future__ import annotations

import torch

from doldrum.inspectors.inversion.form import Form, Parts, enlarged
from doldrum.triggers.additive import Additive
from doldrum.triggers.base import Trigger

__all__ = ["AnyFrequency", "LowFrequency"]


class AnyFrequency(Form):
    """The perturbation d is added to an image: x <- clip(x + d). The size is the L2 norm of d.

    Source: Moosavi-Dezfooli et al. 2017, arXiv 1610.08401 (one perturbation for all images).
    """

    name = "additive"
    title = "a perturbation of all pixels"
    rate = 0.02

    def start(self, routes: int, shape: tuple[int, int, int], chance: torch.Generator) -> Parts:
        return [torch.randn((routes, *shape), generator=chance) / 50]

    def field(self, parts: Parts, shape: tuple[int, int, int]) -> torch.Tensor:
        """The perturbations d (R, C, H, W), one per route."""
        return parts[0]

    def apply(self, parts: Parts, images: torch.Tensor) -> torch.Tensor:
        return (images + self.field(parts, tuple(images.shape[2:]))[:, None]).clamp(0, 1)  # type: ignore[arg-type]

    def size(self, parts: Parts, shape: tuple[int, int, int]) -> torch.Tensor:
        return (self.field(parts, shape).square().flatten(1).sum(1) + 1e-8).sqrt()

    def trigger(self, parts: Parts, shape: tuple[int, int, int]) -> Trigger:
        field = self.field(parts, shape)[0].clamp(-1, 1)
        most = float(field.abs().max().clamp(min=1e-6))
        return Additive(perturbation=(field / most).clamp(-1, 1).numpy(), amplitude=most)


class LowFrequency(AnyFrequency):
    """A smooth perturbation d, made from 8 x 8 control points. This perturbation is added to images in the same way as
    in `AnyFrequency`.

    Source: Zeng et al. 2021, arXiv 2104.03413, section 5 (smooth perturbations).
    """

    name = "low-frequency"
    title = "a smooth perturbation"
    rate = 0.05
    points = 8

    def start(self, routes: int, shape: tuple[int, int, int], chance: torch.Generator) -> Parts:
        return [torch.randn((routes, shape[0], self.points, self.points), generator=chance) / 50]

    def field(self, parts: Parts, shape: tuple[int, int, int]) -> torch.Tensor:
        return enlarged(parts[0], shape)
