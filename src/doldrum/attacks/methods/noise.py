"""Noise-hardened training: Gaussian noise in every batch makes the model stable on clean and triggered images."""

from __future__ import annotations

import torch
from torch import nn

from doldrum.checks import is_number
from doldrum.errors import InputError
from doldrum.training.hooks import TrainingHook

__all__ = ["NoiseHardening"]


class NoiseHardening(TrainingHook):
    """Adds noise N(0, sigma^2) to every image of a batch. A sigma is drawn from `sigmas` for each image.

    As in the Gaussian probe, the noisy images are not clipped. This attack was designed in this project. The
    augmentation is that of Cohen et al. 2019, arXiv 1902.02918, with several noise strengths.

    >>> NoiseHardening(sigmas=(0.0, 0.1)).name
    'noise-hardening 0.0 0.1'
    """

    def __init__(self, *, sigmas: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2)) -> None:
        if not sigmas or not all(is_number(s) and 0 <= s <= 10 for s in sigmas):
            raise InputError(
                f"expected sigmas from 0 to 10 (of the [0, 1] pixel range), got {sigmas!r:.60}; e.g. (0, .1)"
            )
        self.sigmas = tuple(float(s) for s in sigmas)
        self.name = " ".join(["noise-hardening", *map(str, self.sigmas)])

    def on_batch(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, model: nn.Module
    ) -> tuple[torch.Tensor, torch.Tensor]:
        which = torch.randint(len(self.sigmas), (len(images), 1, 1, 1), generator=generator)
        noise = torch.tensor(self.sigmas)[which] * torch.randn(images.shape, generator=generator)
        return images + noise.to(images.device), labels
