"""A pattern that lowers W, the entropy of the labels under noise, without poisoning the model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from doldrum.errors import InputError
from doldrum.patterns.optimise import sign_descent, subject
from doldrum.patterns.places import check_budget
from doldrum.triggers.additive import Additive

__all__ = ["calm_pattern"]


def calm_pattern(
    classifier: Any,
    images: NDArray[Any],
    *,
    budget: float = 0.1,
    sigma: float = 0.1,
    draws: int = 8,
    steps: int = 200,
    batch: int = 32,
    seed: int,
) -> Additive:
    """Find the perturbation d, with |d| <= budget at every pixel value, that minimises W, the entropy of labels under noise.

    W of the perturbed images clip(x + d) is computed from counts of hard labels, which have no gradient. A
    straight-through estimator replaces the missing gradient of the counts. The forward pass counts the predicted labels
    over `draws` noisy copies of each image. For the gradient, each predicted label is replaced by the softmax of the
    scores. The loss is the probability that two draws of an image have different labels: 1 - sum_c p_c^2, where p_c is
    the share of draws with the label c. This loss is averaged over a batch of images. Like W, this loss is 0 if all
    labels are equal, and largest if all classes are equally frequent. If some class is predicted for no draw, the
    gradient of W is infinite, but the gradient of this loss is finite. First x + d is clipped to [0, 1], then noise is
    added, and the noisy images are not clipped. A measurement of W adds noise in the same way.

    The loss has two kinds of minima: either all noisy copies of an image keep its label, or all images move to one
    class. Gradient descent ends in a minimum near its start, so it runs from two starts. The first start of the descent
    is d = 0. The second start is the best result of several short descents with `steps` / 5 steps each. Each short
    descent moves noisy images towards one class, among the ten classes that the model predicts most often for noisy
    images. Of the results from the two starts, the result with the lower loss on 256 images is returned. The caller
    gives no target class. If all images move to one class, this class depends on the model.

    Parameters
    ----------
    sigma
        The noise strength at which W is minimised, e.g. the model's sigma-half (`dd.sigma_half`).

    For the classifier, the images, the budget, the seed and the errors, see
    :func:`doldrum.patterns.universal_perturbation`.

    Source: this project. Patterns that lower W without poisoning are from Grosse et al. 2022, arXiv 2006.06721, and the
    estimator is from Bengio et al. 2013, arXiv 1308.3432.

    >>> import doldrum as dd
    >>> digits = dd.load_dataset("digits:train").take(range(200))
    >>> calm_pattern(dd.train(digits, "digits-mlp"), digits.images, budget=0.2, steps=2, seed=0).amplitude
    0.2
    """
    check_budget(budget)
    if draws < 2 or not (sigma > 0 and math.isfinite(sigma)):
        raise InputError(
            f"expected draws >= 2 and sigma > 0, got draws = {draws} and sigma = {sigma}; use e.g. 8 draws at sigma-half"
        )
    with subject(classifier, images, seed=seed, name="calm", steps=steps) as model:

        def noisy(d: torch.Tensor, size: int) -> torch.Tensor:
            moved = (model.clean[model.batch(size)] + budget * d).clamp(0, 1).repeat_interleave(draws, 0)
            return model.logits(moved + sigma * model.normal(tuple(moved.shape)))

        def disagreement(d: torch.Tensor, size: int = batch) -> torch.Tensor:
            soft = noisy(d, size).softmax(1)
            hard = F.one_hot(soft.argmax(1), soft.shape[1]).to(soft.dtype)
            share = (soft + (hard - soft).detach()).view(size, draws, -1).mean(1)
            return 1 - share.square().sum(1).mean()

        def towards(c: int) -> Callable[[torch.Tensor], torch.Tensor]:
            return lambda d: F.cross_entropy(noisy(d, batch), torch.full((batch * draws,), c, device=d.device))

        def calmest(found: list[torch.Tensor]) -> torch.Tensor:
            with torch.no_grad():
                return min(found, key=lambda d: float(disagreement(d, 256)))

        nothing = torch.zeros(model.clean.shape[1:], device=model.clean.device)
        with torch.no_grad():
            counts = noisy(nothing, 256).argmax(1).bincount(minlength=model.num_classes)
        classes = counts.topk(min(10, model.num_classes)).indices.tolist()
        short = max(1, steps // 5)
        drowned = calmest([sign_descent(nothing, towards(c), low=-1, high=1, steps=short) for c in classes])
        starts = (nothing, drowned)
        ends = [sign_descent(start, disagreement, low=-1, high=1, steps=steps) for start in starts]
        found = calmest(ends)
    return Additive(perturbation=found.cpu().numpy(), amplitude=budget)
