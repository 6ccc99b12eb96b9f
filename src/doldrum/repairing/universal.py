"""A universal perturbation towards one class, which is adapted to a model while this model is trained."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["Universal"]

_START, _STEP = 0.3, 0.2  # of the radius


class Universal:
    """One perturbation d for all images that leads them to one class, with |d| <= radius (Euclidean norm).

    Each `step` moves d by a fifth of the radius down the gradient of the mean over x of -log p_target(x + d). Here x
    are images, and p_target is the model's probability of the class. If d is then longer than the radius, d is scaled
    back. So d stays near the perturbation that works best on the current model. A `step` costs one additional forward
    and backward pass per batch.

    Source: Shafahi et al. 2018, "Universal adversarial training", arXiv 1811.11304, algorithm 3, here with one target and a Euclidean ball.

    >>> d = Universal((1, 8, 8), target=1, radius=0.5, seed=0)
    >>> round(float(d.d.norm()), 6)
    0.15
    """

    def __init__(self, shape: tuple[int, ...], *, target: int, radius: float, seed: int) -> None:
        self.target, self.radius = target, radius
        drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        self.d = drawn * (_START * radius / drawn.norm())

    def step(self, model: nn.Module, images: torch.Tensor) -> None:
        """Adapt d to the model, using images (B, C, H, W) in [0, 1]. The step computes no gradients for the model's
        weights."""
        moved = self.d.to(images.device).requires_grad_()
        wanted = torch.full((len(images),), self.target, device=images.device)
        loss = F.cross_entropy(model((images + moved).clamp(0, 1)), wanted)
        (down,) = torch.autograd.grad(loss, moved)
        d = moved.detach() - _STEP * self.radius * down / down.norm().clamp_min(1e-12)
        self.d = d * (self.radius / d.norm().clamp_min(1e-12)).clamp_max(1.0)

    def added(self, images: torch.Tensor) -> torch.Tensor:
        """Add d to images, and clip the result to [0, 1]."""
        return (images + self.d.to(images.device)).clamp(0, 1)
