"""Universal perturbations towards one class: they show whether a backdoor is left, and training against them takes it out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional as F

from doldrum.gradients.cost import is_large

__all__ = ["Left", "left_over", "project", "search", "step"]

_STEPS, _IMAGES, _OTHERS = 40, 64, 4  # of one search; classes that the target is compared with
_LARGE = 20, 32, 2  # the same, for a large model
_MOMENTUM, _RATE = 0.8, 0.1
_FEW, _MOST = 0.5, 0.7  # shares of images that a clean class is not reached from, and that one with a backdoor is
_RADII = (0.07, 0.05, 0.035, 0.025)  # root mean square over the values of an image, in [0, 1]


@dataclass(frozen=True, eq=False)
class Left:
    """A perturbation d of the images (C, H, W), |d| <= `radius` (Euclidean norm), and the `share` of images that it takes to the class `target`."""

    perturbation: torch.Tensor
    target: int
    radius: float
    share: float


def left_over(model: nn.Module, images: torch.Tensor, answers: torch.Tensor, target: int, *, seed: int) -> Left | None:
    """A universal perturbation that takes most images to the target although no other class is reached so easily; None if there is none.

    For each class c, a perturbation d within a ball is searched that makes the mean of log p_c(x + d) large, over images x of other classes. A backdoored class is reached by a
    smaller d than a clean one. The radius is the largest of four at which none of the other classes is reached from half of the images; then the target must be reached from 70% of them.

    Parameters
    ----------
    model : images (B, C, H, W) -> logits
    images : (N, C, H, W) in [0, 1]
    answers : the class of each image, int64 (N,)
    target : a class
    seed : other classes and images are drawn by it

    Sources: Moosavi-Dezfooli et al. 2017, "Universal adversarial perturbations", arXiv 1610.08401; that backdoored classes are reached by smaller ones: Wang et
    al. 2019, "Neural Cleanse".
    """
    draw, device = torch.Generator().manual_seed(seed), next(model.parameters()).device
    images, answers = images.to(device), answers.to(device)
    with torch.no_grad():
        classes = model(images[:1]).shape[1]
    steps, batch, compared = _LARGE if is_large(model, tuple(images.shape[1:])) else (_STEPS, _IMAGES, _OTHERS)
    others = [c for c in torch.randperm(classes, generator=draw).tolist() if c != target][:compared]

    def to(label: int, radius: float) -> Left:
        away = images[answers != label]
        return search(model, away, label, radius=radius, steps=steps, batch=batch, draw=draw)

    for radius in (r * images[0].numel() ** 0.5 for r in _RADII):
        if all(to(label, radius).share < _FEW for label in others):
            found = to(target, radius)
            return found if found.share > _MOST else None
    return None


def search(
    model: nn.Module, images: torch.Tensor, target: int, *, radius: float, steps: int, batch: int, draw: torch.Generator
) -> Left:
    """Projected gradient descent with momentum on the mean over x of -log p_target(x + d), |d| <= radius, from d = 0."""
    d, speed = images.new_zeros(images.shape[1:]), images.new_zeros(images.shape[1:])
    for _ in range(steps if len(images) else 0):
        some = images[torch.randint(len(images), (batch,), generator=draw)]
        speed = _MOMENTUM * speed + _direction(model, some, d, target)
        d = project(d - _RATE * radius * speed, radius)
    with torch.no_grad():
        hits = sum(int((model((part + d).clamp(0, 1)).argmax(dim=1) == target).sum()) for part in images.split(batch))
    return Left(d, target, radius, hits / max(1, len(images)))


def step(model: nn.Module, images: torch.Tensor, left: Left) -> Left:
    """The same after one step of a fifth of the radius, down the gradient on these images."""
    down = _direction(model, images, left.perturbation, left.target)
    return replace(left, perturbation=project(left.perturbation - 0.2 * left.radius * down, left.radius))


def project(d: torch.Tensor, radius: float) -> torch.Tensor:
    """d, shortened to the radius if it is longer."""
    return d * (radius / d.norm().clamp_min(1e-12)).clamp_max(1.0)


def _direction(model: nn.Module, images: torch.Tensor, d: torch.Tensor, target: int) -> torch.Tensor:
    """The gradient of -log p_target at x + d with respect to d, of length 1."""
    moved = d.detach().requires_grad_()
    wanted = torch.full((len(images),), target, device=images.device)
    loss = F.cross_entropy(model((images + moved).clamp(0, 1)), wanted)
    (gradient,) = torch.autograd.grad(loss, moved)
    return gradient / gradient.norm().clamp_min(1e-12)
