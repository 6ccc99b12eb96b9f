"""Universal adversarial perturbation: one small perturbation that misleads the model on most images."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from doldrum.patterns.optimise import check_target, sign_descent, subject
from doldrum.patterns.places import check_budget
from doldrum.triggers.additive import Additive

__all__ = ["universal_perturbation"]


def universal_perturbation(
    classifier: Any,
    images: NDArray[Any],
    *,
    target: int | None = None,
    budget: float = 0.1,
    steps: int = 200,
    batch: int = 128,
    seed: int,
) -> Additive:
    """Find the perturbation d that best moves images to `target`, or away from their labels.

    At every pixel value, |d| <= budget. The method is signed gradient descent over batches of clip(x + d), from a start
    of uniform noise. With a target, the loss is the cross-entropy with the target. Without a target (None), the loss is
    a margin: the score of the label that the model gives the clean image, minus the highest score of all other classes.
    Margins below -1 are set to -1, so that images with a clearly changed label do not influence the result any more.

    Parameters
    ----------
    classifier
        A Classifier around an nn.Module (`dd.as_classifier`, `dd.train`) that gives scores.
    images
        Array (N, C, H, W), uint8 or floats in [0, 1]. Labels are not needed, and a few hundred images are enough.
    budget
        The largest allowed change of a pixel value (L-inf norm), for pixels in [0, 1].

    Returns
    -------
    Additive
        The trigger, whose `amplitude` is the budget. The trigger depends only on (classifier, images, settings, seed).

    Raises InputError for models without gradients, budgets outside (0, 1], and targets that are not a class.

    Source: Moosavi-Dezfooli et al. 2017, arXiv 1610.08401 (the perturbation); Shafahi et al. 2020, arXiv 1811.11304,
    section 3 (descent over batches with a clipped loss).

    >>> import doldrum as dd
    >>> digits = dd.load_dataset("digits:train").take(range(200))
    >>> pattern = universal_perturbation(dd.train(digits, "digits-mlp"), digits.images, target=3, steps=2, seed=0)
    >>> pattern.amplitude, pattern.perturbation.shape
    (0.1, (1, 8, 8))
    """
    check_budget(budget)
    with subject(classifier, images, seed=seed, name="universal", steps=steps) as model:
        check_target(target, model.num_classes)

        def loss(d: torch.Tensor) -> torch.Tensor:
            picks = model.batch(batch)
            scores = model.logits((model.clean[picks] + budget * d).clamp(0, 1))
            if target is not None:
                return F.cross_entropy(scores, torch.full_like(picks, target))
            own = model.labels[picks][:, None]
            others = scores.scatter(1, own, -torch.inf).amax(1)
            return (scores.gather(1, own)[:, 0] - others).clamp_min(-1).mean()

        start = 2 * torch.rand(model.clean.shape[1:], generator=model.generator).to(model.clean.device) - 1
        found = sign_descent(start, loss, low=-1, high=1, steps=steps)
    return Additive(perturbation=found.cpu().numpy(), amplitude=budget)
