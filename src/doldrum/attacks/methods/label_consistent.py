"""First step of label-consistent poisoning: make images of the target class hard to classify without the trigger."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from doldrum.attacks.methods.module import as_tensor, frozen, generator_for, module_of
from doldrum.errors import InputError

__all__ = ["check_pgd", "pgd"]


def check_pgd(*, eps: float, steps: int) -> None:
    """Raise InputError for settings that `pgd` refuses, before a surrogate is trained for `pgd`."""
    if not 0 <= eps <= 1 or steps < 1:
        raise InputError(f"expected eps in [0, 1] and steps >= 1, got {eps:g} and {steps}; e.g. .1 and 20")


def pgd(
    model: Any,
    images: NDArray[Any],
    labels: NDArray[Any],
    *,
    eps: float = 0.1,
    steps: int = 20,
    seed: int = 0,
    batch_size: int = 256,
) -> NDArray[np.float32]:
    """Perturb images by at most `eps` (L-inf, in units of the [0, 1] range), to make their labels hard for a model.

    The method is projected gradient ascent on the cross-entropy, from a random start, with `steps` steps of size 2.5
    eps / steps. Pixels are clipped to [0, 1]. The result is float32 (N, C, H, W); the given images are not changed.

    Source: Madry et al. 2018, arXiv 1706.06083; used as in Turner et al. 2019, arXiv 1912.02771, section 4.2.

    Raises InputError for eps outside [0, 1], for `steps` below 1, and for models without gradients.
    """
    check_pgd(eps=eps, steps=steps)
    out = np.empty(images.shape, dtype=np.float32)
    generator = generator_for(seed, "pgd")
    with frozen(module_of(model)) as module:
        for start in range(0, len(images), batch_size):
            clean = as_tensor(images[start : start + batch_size], module)
            wanted = torch.as_tensor(
                np.asarray(labels[start : start + batch_size], dtype=np.int64), device=clean.device
            )
            noise = torch.rand(clean.shape, generator=generator).to(clean.device)
            x = (clean + eps * (2 * noise - 1)).clamp(0, 1)
            for _ in range(steps):
                x.requires_grad_(True)
                # The sum, so that an image's gradient does not depend on how many are with it.
                loss = F.cross_entropy(module(x), wanted, reduction="sum")
                (gradient,) = torch.autograd.grad(loss, x)
                moved = x.detach() + 2.5 * eps / steps * gradient.sign()
                x = torch.minimum(torch.maximum(moved, clean - eps), clean + eps).clamp(0, 1)
            out[start : start + batch_size] = x.cpu().numpy()
    return out
