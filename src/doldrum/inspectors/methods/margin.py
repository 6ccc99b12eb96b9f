"""`margin`: the largest margin that any image with pixels in [0, 1] reaches, for each class."""

from __future__ import annotations

import math

from doldrum.inspectors.contract.hooks import Inspector, routes_to
from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.subject import Subject
from doldrum.lazy import extras

with extras():
    import torch

__all__ = ["MaximumMargin", "largest_margins"]

_STARTS = 200  # of all classes together, so that many classes cost as much as few
_MOST, _LEAST = 20, 2  # starts of a class
_STEPS = 60
_BATCH = 250
_MOMENTUM = 0.9
_SMALLEST = 0.01  # a margin below it counts as this: no image was found that the class wins clearly


class MaximumMargin(Inspector):
    """The value of the route to class k is the log of the largest margin that class k can reach on any image.

    The margin is f_k(x) - max_{c != k} f_c(x), maximised over x in [0, 1]^D. A backdoor makes its class win with a
    larger margin than any natural image does. No clean images are used.

    Source: Wang et al. 2024, "MM-BD", IEEE S&P, arXiv 2205.06900, section III. The paper's null model, a gamma
    distribution over the classes of one model, is not used: some classes have extreme margins in clean models too. A
    comparison with clean models replaces the null model.
    """

    name = "margin"
    title = "the largest margin that a class can reach"
    needs = "gradients"
    paper = "Wang et al. 2024, MM-BD, IEEE S&P, arXiv 2205.06900"
    weight = 0.15

    def examine(self, subject: Subject) -> Reading:
        assert subject.module is not None
        classes = subject.num_classes
        found = largest_margins(
            subject.module,
            subject.classifier.input_shape,
            classes,
            starts=min(max(_STARTS // classes, _LEAST), _MOST),
            seed=int(subject.rng(self.name).integers(2**62)),
        )
        subject.advance(self.weight)
        return Reading(self.name, {r: _log(float(found[k])) for k, r in enumerate(routes_to(classes))})


def _log(margin: float) -> float:
    return math.log(max(margin, _SMALLEST)) if math.isfinite(margin) else math.nan


def largest_margins(
    module: torch.nn.Module,
    shape: tuple[int, int, int],
    classes: int,
    *,
    starts: int,
    seed: int,
    steps: int = _STEPS,
) -> torch.Tensor:
    """The largest margin found for each class (K,), by gradient ascent from uniform noise.

    Each step goes along the normalised gradient of the margin, with momentum .9. The step length decreases from sqrt(D)
    / 56 (.5 for 28 x 28 pixels) to 0. After each step, the image is clipped to [0, 1]. If the scores of a class are
    always NaN, its result is -inf.

    Parameters
    ----------
    module : images (B, C, H, W) -> scores (B, K), differentiable
    shape : (C, H, W)
    starts : the number of random images from which the ascent starts, for each class
    """
    chance = torch.Generator().manual_seed(seed)
    rows = torch.arange(classes).repeat_interleave(starts)
    best = torch.cat([_ascend(module, shape, part, chance, steps) for part in rows.split(_BATCH)])
    return best.reshape(classes, starts).amax(1)


def _ascend(
    module: torch.nn.Module, shape: tuple[int, int, int], target: torch.Tensor, chance: torch.Generator, steps: int
) -> torch.Tensor:
    """Run one ascent for each entry of `target`, which is a class. Return the largest margin (B,) that each ascent
    reaches."""
    x = torch.rand((len(target), *shape), generator=chance)
    speed, best = torch.zeros_like(x), torch.full((len(target),), -torch.inf)
    length = math.sqrt(math.prod(shape)) / 56
    for step in range(steps + 1):
        x.requires_grad_()
        scores = module(x).float()
        own = scores.gather(1, target[:, None])[:, 0]
        margin = own - scores.scatter(1, target[:, None], -torch.inf).amax(1)
        (slope,) = torch.autograd.grad(margin.sum(), x)
        with torch.no_grad():
            best = torch.fmax(best, margin)
            slope = torch.nan_to_num(slope)
            slope = slope / slope.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None, None]
            speed = _MOMENTUM * speed + slope
            x = (x + length * (1 - step / steps) * speed).clamp(0, 1)
    return best.detach()
