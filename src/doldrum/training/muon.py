"""Muon, an optimizer for convolutions: momentum, and then a step along the nearest matrix with equal singular
values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

__all__ = ["Muon", "orthogonalise"]

_QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalise(gradient: torch.Tensor, *, steps: int = 3) -> torch.Tensor:
    """Approximate U V^T by Newton-Schulz iteration, where `gradient` = U S V^T is the singular value decomposition.
    Before the iteration, `gradient` is reshaped to a matrix with len(gradient) rows.

    In each of `steps` rounds, every singular value x is replaced: x -> 3.4445 x - 4.7750 x^3 + 2.0315 x^5. After the
    last round, all singular values except the smallest are near 1. The result has the shape of `gradient`. Source:
    Jordan et al. 2024, "Muon", and its use in airbench.
    """
    matrix = gradient.reshape(len(gradient), -1)
    matrix = matrix / (matrix.norm() + 1e-7)
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    a, b, c = _QUINTIC
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return (x.T if tall else x).reshape(gradient.shape)


class Muon(torch.optim.Optimizer):
    """An optimizer with Nesterov momentum, in which the step of each weight matrix is an orthogonal matrix. The weights
    of a layer are scaled to the norm sqrt(number of outputs).

    Use Muon only for convolutions that are followed by a normalisation layer. The normalisation layer cancels the scale
    of the weights before it, so this scale is kept fixed. With a fixed scale, `lr` is the angle of a step, and weight
    decay has no effect.
    """

    def __init__(self, params: Iterable[Any], *, lr: float = 0.1, momentum: float = 0.6) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                slots = self.state[weight]
                if not slots:
                    slots["momentum_buffer"] = torch.zeros_like(weight)
                buffer = slots["momentum_buffer"].mul_(group["momentum"]).add_(weight.grad)
                direction = weight.grad.add(buffer, alpha=group["momentum"])
                weight.mul_(len(weight) ** 0.5 / weight.norm().clamp_min(1e-12))
                weight.add_(orthogonalise(direction), alpha=-group["lr"])
