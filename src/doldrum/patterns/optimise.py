"""Code of all optimised patterns: the model's scores as a differentiable function, and signed gradient descent."""

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
    """A frozen model with images on its device, for one optimisation.

    The function `logits` gives the scores of images, and is differentiable with respect to the images. `clean` holds
    the images (N, C, H, W) in [0, 1], and `labels` holds the labels that the model predicts for these images. All
    random values come from `generator`.
    """

    logits: Callable[[torch.Tensor], torch.Tensor]
    clean: torch.Tensor
    labels: torch.Tensor
    num_classes: int
    generator: torch.Generator

    def batch(self, size: int) -> torch.Tensor:
        """Return `size` random indices of images, drawn with replacement."""
        return torch.randint(len(self.clean), (size,), generator=self.generator).to(self.clean.device)

    def normal(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Standard normal values. The values are drawn on the CPU, so that they are the same for every device."""
        return torch.randn(shape, generator=self.generator).to(self.clean.device)


@contextmanager
def subject(classifier: Any, images: NDArray[Any], *, seed: int, name: str, steps: int) -> Iterator[Subject]:
    """Check the model and the images, and yield a `Subject` with both for one optimisation.

    At the end of the `with` block, the model is put back into its earlier state.

    Raises InputError if the model gives only labels or has no gradients, if the images don't fit the model, or if
    `steps` is below 1.
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
        raise InputError(
            f"expected images of shape {classifier.input_shape}, got {floats.shape[1:]}; resize or convert them"
        )
    if steps < 1:
        raise InputError(f"expected at least 1 step, got {steps}; use e.g. 200 steps")
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
    """Raise InputError unless `target` is a class number or None."""
    if target is not None and not 0 <= target < classes:
        raise InputError(f"expected a target class from 0 to {classes - 1}, got {target}; pick a class of the model")


def sign_descent(
    value: torch.Tensor, loss: Callable[[torch.Tensor], torch.Tensor], *, low: float, high: float, steps: int
) -> torch.Tensor:
    """Minimise `loss` by projected signed gradient descent with momentum .9. After every step, `value` is clipped to
    [low, high].

    The step size falls linearly, from about a tenth of high - low to about a hundredth of this first step size.

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
