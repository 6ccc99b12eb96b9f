"""Access to a model's module, gradients and last layer, for attacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from doldrum.errors import InputError
from doldrum.pixels import to_float
from doldrum.seeds import child_seed

__all__ = ["as_tensor", "frozen", "generator_for", "last_linear", "module_of"]


def module_of(model: Any) -> nn.Module:
    """The nn.Module inside a classifier, or the module itself. Raises InputError if there is no module."""
    module = getattr(model, "module", model)
    if not isinstance(module, nn.Module):
        raise InputError(
            f"expected a model with gradients (an nn.Module), got {type(model).__name__}; train one with dd.train"
        )
    return module


@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """Set a module to evaluation mode with fixed parameters, so that only images get gradients.

    When the block ends, the mode of the module and of its parameters is restored.
    """
    mode = module.training
    wanted = [p.requires_grad for p in module.parameters()]
    module.eval().requires_grad_(False)
    try:
        yield module
    finally:
        module.train(mode)
        for parameter, grad in zip(module.parameters(), wanted, strict=True):
            parameter.requires_grad_(grad)


def as_tensor(images: NDArray[Any], module: nn.Module | None = None) -> torch.Tensor:
    """Images (uint8 or float) as a float32 tensor in [0, 1] on the module's device."""
    first = None if module is None else next(module.parameters(), None)
    tensor = torch.from_numpy(to_float(np.ascontiguousarray(images)))
    return tensor if first is None else tensor.to(first.device)


def generator_for(seed: int, *path: str | int) -> torch.Generator:
    """A random number generator of torch, on the CPU. The generator's seed depends on `seed` and `path`."""
    return torch.Generator().manual_seed(child_seed(seed, *path) % 2**63)


def last_linear(module: nn.Module) -> nn.Linear:
    """The last linear layer of a module, which computes the logits."""
    layers = [m for m in module.modules() if isinstance(m, nn.Linear)]
    if not layers:
        raise InputError("expected a network that ends in a linear layer, got none; pick another network")
    return layers[-1]
