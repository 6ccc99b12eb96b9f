"""`smoothed-inversion`: changes single images towards each class, on the model averaged over noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from doldrum.inspectors.contract.hooks import Inspector, routes_to
from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.contract.subject import Subject
from doldrum.lazy import extras
from doldrum.triggers.additive import Additive

with extras():
    import torch
    from torch.nn import functional as F

__all__ = ["SmoothedInversion", "smoothed_log_p", "towards"]

_PAIRS, _MOST = 80, 8  # pairs of image and class in all, so that many classes cost as much as few; images of a class
_STEPS, _DRAWS = 20, 8
_BATCH = 256
_TRIED = 100
_WORKS = 0.5  # the share of other images that a perturbation moves, from which it is shown


class SmoothedInversion(Inspector):
    """The value of the route to class k is the mean log odds of p_k(x + d) over several images x, each with its best d.

    Here d is a perturbation of x. The smoothed model p is the mean of softmax f(x + sigma e) over standard normal noise
    e, with sigma = .25. The perturbation d is found by projected gradient ascent in the L2 ball of radius r = 2 sqrt(D)
    / 28 (2 for 28 x 28 pixels). The gradient of a smoothed model shows what the model has learned to look for. So even
    a single image can be enough to find the trigger. The mean of d over the images is the found trigger, if this mean
    changes at least half of the images that were not used in the search.

    Source: Sun & Kolter 2023, "Single image backdoor inversion via robust smoothed classifiers", CVPR, arXiv 2303.00215, section 4 (without its denoiser).
    """

    name = "smoothed-inversion"
    title = "a perturbation of single images, with the model averaged over noise"
    needs = "gradients"
    paper = "Sun & Kolter 2023, SmoothInv, arXiv 2303.00215"
    weight = 0.3
    sigma = 0.25
    radius = 2.0

    def examine(self, subject: Subject) -> Reading:
        module, classes = subject.module, subject.num_classes
        assert module is not None
        chance = subject.rng(self.name)
        size = self.radius * math.sqrt(math.prod(subject.classifier.input_shape)) / 28
        images = min(max(_PAIRS // classes, 1), _MOST)
        values, triggers = dict.fromkeys(routes_to(classes), math.nan), {}
        for route in values:
            pool = np.flatnonzero(route.starts(subject.labels))
            chosen = chance.permutation(pool)[:images]
            seed = int(chance.integers(2**62))
            if len(chosen) and route.target is not None:
                found, log_p = towards(
                    module,
                    torch.from_numpy(subject.search[chosen]),
                    route.target,
                    sigma=self.sigma,
                    radius=size,
                    seed=seed,
                )
                values[route] = float(_log_odds(log_p).mean())
                trigger = _shared(found)
                if _success(module, trigger, route, subject.search, np.setdiff1d(pool, chosen)[:_TRIED]) >= _WORKS:
                    triggers[route] = trigger
            subject.advance(self.weight / classes)
        return Reading(self.name, values, triggers=triggers)


def towards(
    module: torch.nn.Module,
    images: torch.Tensor,
    target: int,
    *,
    sigma: float,
    radius: float,
    seed: int,
    steps: int = _STEPS,
    draws: int = _DRAWS,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find one perturbation d per image x that makes log p_target(x + d) large. Return all d (B, C, H, W) and the final
    log-probabilities (B,).

    p is the smoothed model. Each step has the length 2.5 r / steps along the gradient. After each step, d is projected
    into the ball |d| <= r, and x + d is clipped to [0, 1]. Each step draws new noise. The final value is computed with
    new noise, and with four times as many draws as a step.

    Source: Madry et al. 2018, arXiv 1706.06083 (projected gradient); Salman et al. 2019, arXiv 1906.04584 (the gradient
    of a smoothed model).
    """
    chance = torch.Generator().manual_seed(seed)
    d = torch.zeros_like(images)
    for _ in range(steps):
        d.requires_grad_()
        value = smoothed_log_p(module, images + d, target, sigma=sigma, draws=draws, chance=chance)
        (slope,) = torch.autograd.grad(value.sum(), d)
        with torch.no_grad():
            slope = torch.nan_to_num(slope)
            d = d + 2.5 * radius / steps * slope / _length(slope)
            d = d * (radius / _length(d)).clamp(max=1)
            d = (images + d).clamp(0, 1) - images
    with torch.no_grad():
        return d, smoothed_log_p(module, images + d, target, sigma=sigma, draws=4 * draws, chance=chance)


def smoothed_log_p(
    module: torch.nn.Module, images: torch.Tensor, target: int, *, sigma: float, draws: int, chance: torch.Generator
) -> torch.Tensor:
    """The log of the smoothed model's probability of the target (B,), with gradients.

    The probability is the mean of softmax f(x + sigma e) over the draws.
    """
    noisy = images.repeat_interleave(draws, 0)
    noisy = noisy + sigma * torch.randn(noisy.shape, generator=chance)
    scores = torch.cat([module(part) for part in noisy.split(_BATCH)]).float()
    log_p = F.log_softmax(scores, -1)[:, target].reshape(len(images), draws)
    return torch.logsumexp(log_p, 1) - math.log(draws)


def _log_odds(log_p: torch.Tensor) -> torch.Tensor:
    """log(p / (1 - p)), at most 13.8. Unlike log p, these log odds separate p = .99 from p = .9999 clearly."""
    return log_p - torch.log1p(-log_p.exp().clamp(max=1 - 1e-6))


def _length(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None, None]


def _shared(found: torch.Tensor) -> Additive:
    """The mean of all perturbations as a trigger."""
    field = found.mean(0).clamp(-1, 1)
    most = float(field.abs().max().clamp(min=1e-6))
    return Additive(perturbation=(field / most).clamp(-1, 1).numpy(), amplitude=most)


@torch.no_grad()
def _success(
    module: torch.nn.Module,
    trigger: Additive,
    route: Route,
    images: NDArray[np.float32],
    rows: NDArray[np.int64],
) -> float:
    """The share of the images in `rows` that the trigger changes along the route."""
    if not len(rows):
        return 0.0
    after = module(torch.from_numpy(trigger(images[rows]))).argmax(-1).numpy()
    return float(np.mean(after == route.target))
