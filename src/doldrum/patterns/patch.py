"""Adversarial patch: a small square whose pixels are optimised to move images to a target class."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from doldrum.patterns.optimise import check_target, sign_descent, subject
from doldrum.patterns.places import ANYWHERE, in_place, place_for
from doldrum.triggers.masked import MaskedPattern

__all__ = ["adversarial_patch"]


def adversarial_patch(
    classifier: Any,
    images: NDArray[Any],
    *,
    target: int,
    size: int = 5,
    place: str = "lower right",
    steps: int = 200,
    batch: int = 128,
    seed: int,
) -> MaskedPattern:
    """Find the `size` x `size` patch, with pixels in [0, 1], that best moves images to the target class.

    The method is signed gradient descent on the cross-entropy with the target, over batches, from a start of uniform
    noise. `place` is a corner or "anywhere". With "anywhere", each step pastes the patch at another random place, so
    that the patch works at all places. The returned trigger has the patch at one random place, which the seed
    determines.

    For the classifier, the images, the seed and the errors, see :func:`doldrum.patterns.universal_perturbation`.

    Source: Brown et al. 2017, arXiv 1712.09665, section 3 (expectation over places; without rotation and scale).

    >>> import doldrum as dd
    >>> digits = dd.load_dataset("digits:train").take(range(200))
    >>> adversarial_patch(dd.train(digits, "digits-mlp"), digits.images, target=3, size=2, steps=2, seed=0).mask.sum().item()
    4.0
    """
    with subject(classifier, images, seed=seed, name="patch", steps=steps) as model:
        check_target(target, model.num_classes)
        shape = tuple(model.clean.shape[1:])
        where = place_for(shape[1:], size=size, place=place, seed=seed)

        def loss(patch: torch.Tensor) -> torch.Tensor:
            picks = model.batch(batch)
            pasted = model.clean[picks]  # a copy: indexing by a tensor makes one
            rows, columns = where
            if place == ANYWHERE:
                top, left = (int(torch.randint(s - size + 1, (), generator=model.generator)) for s in shape[1:])
                rows, columns = slice(top, top + size), slice(left, left + size)
            pasted[:, :, rows, columns] = patch
            return F.cross_entropy(model.logits(pasted), torch.full_like(picks, target))

        start = torch.rand((shape[0], size, size), generator=model.generator).to(model.clean.device)
        found = sign_descent(start, loss, low=0, high=1, steps=steps)
    return in_place(found.cpu().numpy(), where, shape)
