"""What the optimised patterns share: the model's scores as a differentiable function, and signed descent in a box."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from doldrum.attacks.methods.module import as_tensor, frozen, generator_for, module_of
from doldrum.classifiers.base import Classifier
from doldrum.errors import InputError
from doldrum.patterns.places import checked_images

__all__ = ["Subject", "check_target", "sign_descent", "subject"]


@dataclass(frozen=True)
class Subject:
    """A frozen model with images on its device: `logits` (differentiable in the images), `clean` (N, C, H, W) in [0, 1],
    the model's own labels of them, and one generator for all that is drawn.
    """

    logits: Callable[[torch.Tensor], torch.Tensor]
    clean: torch.Tensor
    labels: torch.Tensor
    num_classes: int
    generator: torch.Generator

    def batch(self, size: int) -> torch.Tensor:
        """Indices of `size` images, drawn with replacement."""
        return torch.randint(len(self.clean), (size,), generator=self.generator).to(self.clean.device)

    def normal(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Standard normal values, drawn on the CPU so that every device gets the same."""
        return torch.randn(shape, generator=self.generator).to(self.clean.device)


@contextmanager
def subject(classifier: Any, images: NDArray[Any], *, seed: int, name: str, steps: int) -> Iterator[Subject]:
    """The checked model and images for the time of an optimisation; afterwards the model is as it was.

    Raises InputError for a model without gradients, one that gives only labels, images that don't fit, and no steps.
    """
    module = module_of(classifier)
    if not isinstance(classifier, Classifier):
        raise InputError(f"expected a Classifier, got {type(classifier).__name__}; use dd.as_classifier first")
    if classifier.outputs == "labels":
        raise InputError(
            "expected a model that gives scores, got one that gives only labels; the search needs the gradients of scores"
        )
    floats = checked_images(images)
    if floats.shape[1:] != classifier.input_shape:
        raise InputError(f"expected images {classifier.input_shape}, got {floats.shape[1:]}; resize or convert them")
    if steps < 1:
        raise InputError(f"expected steps of at least 1, got {steps}; 200 steps are enough")
    probabilities = classifier.outputs == "probabilities"

    with frozen(module):

        def logits(batch: torch.Tensor) -> torch.Tensor:
            scores = module(batch)
            return scores.clamp_min(1e-12).log() if probabilities else scores

        clean = as_tensor(floats, module)
        with torch.no_grad():
            labels = torch.cat([logits(part).argmax(1) for part in clean.split(512)])
        yield Subject(logits, clean, labels, classifier.num_classes, generator_for(seed, "pattern", name))


def check_target(target: int | None, classes: int) -> None:
    """Raise InputError unless a target is one of the classes (or None)."""
    if target is not None and not 0 <= target < classes:
        raise InputError(f"expected a target of 0 to {classes - 1}, got {target}; pick a class of the model")


def sign_descent(
    value: torch.Tensor, loss: Callable[[torch.Tensor], torch.Tensor], *, low: float, high: float, steps: int
) -> torch.Tensor:
    """Projected signed gradient descent with momentum .9 on `value`, kept in [low, high] after every step.

    The step starts at a tenth of the box's width and falls linearly to a hundredth of that.

    Source: Madry et al. 2018, arXiv 1706.06083 (projected gradient descent); Dong et al. 2018, arXiv 1710.06081 (momentum).
    """
    value = value.clamp(low, high)
    velocity = torch.zeros_like(value)
    for step in range(steps):
        value = value.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(loss(value), value)
        with torch.no_grad():
            velocity = 0.9 * velocity + gradient / gradient.abs().mean().clamp_min(1e-20)
            size = (high - low) * (0.1 * (1 - step / steps) + 0.001)
            value = (value - size * velocity.sign()).clamp(low, high)
    return value.detach()
