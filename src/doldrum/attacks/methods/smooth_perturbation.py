"""The optimised form of the attack LF: a universal perturbation with only low frequencies."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import idct
from torch.nn import functional as F

from doldrum.attacks.methods.module import as_tensor, frozen, generator_for, module_of
from doldrum.errors import InputError
from doldrum.triggers.low_frequency import LowFrequency

__all__ = ["optimise_low_frequency"]


def optimise_low_frequency(
    model: Any,
    images: NDArray[Any],
    *,
    target: int,
    amplitude: float = 0.12,
    cutoff: int = 5,
    steps: int = 100,
    seed: int = 0,
) -> LowFrequency:
    """Find the low-frequency perturbation of a given amplitude that best moves a model's labels to the target class.

    The DCT coefficients below `cutoff` along both axes are optimised, and the others are zero. Adam minimises the
    cross-entropy with the target over the images. In each step, the perturbation is scaled to a maximum of `amplitude`.

    Source: Zeng et al. 2021, arXiv 2104.03413, section 5 (the paper uses a Gaussian low-pass filter as the constraint).

    Raises InputError for models without gradients, and if there are no images or no steps.
    """
    if steps < 1 or not len(images):
        raise InputError(
            f"expected at least one step and one image, got {steps} steps and {len(images)} images; e.g. 100 steps"
        )
    LowFrequency(amplitude=amplitude, cutoff=cutoff)  # checks both
    channels, height, width = images.shape[1:]
    generator = generator_for(seed, "low-frequency")
    with frozen(module_of(model)) as module:
        clean = as_tensor(images[:512], module)
        down, along = (_basis(side, min(cutoff, side), clean.device) for side in (height, width))
        free = torch.randn((channels, down.shape[1], along.shape[1]), generator=generator).to(clean.device)
        free.requires_grad_(True)
        optimizer = torch.optim.Adam([free], lr=0.05)
        wanted = torch.full((64,), target, device=clean.device)
        for _ in range(steps):
            batch = clean[torch.randint(len(clean), (64,), generator=generator).to(clean.device)]
            plane = down @ free @ along.T
            added = amplitude * plane / plane.abs().max().clamp_min(1e-12)
            loss = F.cross_entropy(module((batch + added).clamp(0, 1)), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found = (down @ free @ along.T).detach().cpu().numpy()
    return LowFrequency(amplitude=amplitude, cutoff=cutoff, perturbation=found)


def _basis(side: int, cutoff: int, device: torch.device) -> torch.Tensor:
    """The first `cutoff` basis functions (cosines) of the DCT, as a tensor of shape (side, cutoff)."""
    return torch.as_tensor(np.asarray(idct(np.eye(side), axis=0, norm="ortho"))[:, :cutoff].astype(np.float32)).to(
        device
    )
