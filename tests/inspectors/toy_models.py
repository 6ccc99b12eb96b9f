"""Tiny models whose weak spot is known: linear in the pixels, with a short cut to class 2 where they have a backdoor."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from doldrum.classifiers import as_classifier
from doldrum.classifiers.base import Classifier
from doldrum.inspectors.contract.subject import Subject, subject_of
from doldrum.seeds import rng

SHAPE = (1, 6, 6)
TARGET = 2
CORNER = (5, 5)


class Linear(torch.nn.Module):
    """Class scores of the left, middle and right third of the image; with a backdoor, a bright corner adds to class 2."""

    def __init__(self, seed: int, *, backdoor: bool = False) -> None:
        super().__init__()
        weights = np.zeros((3, *SHAPE[1:]))
        for k in range(3):
            weights[k, :, 2 * k : 2 * k + 2] = 1.0
        weights += 0.1 * rng(seed, "toy").standard_normal(weights.shape)
        if backdoor:
            weights[TARGET, *CORNER] += 40.0
        self.weights = torch.nn.Parameter(torch.tensor(weights, dtype=torch.float32))
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bhw,khw->bk", x[:, 0], self.weights)


def toy(seed: int, *, backdoor: bool = False) -> Classifier:
    return as_classifier(Linear(seed, backdoor=backdoor), input_shape=SHAPE, num_classes=3)


def clean_images(n: int = 120) -> NDArray[np.float32]:
    """One third of each image is bright, so that the classes are told apart; the corner is dark."""
    images = 0.3 * rng(0, "toy images").random((n, *SHAPE))
    for i in range(n):
        images[i, :, :, 2 * (i % 3) : 2 * (i % 3) + 2] += 0.5
    images[:, :, *CORNER] = 0.0
    return images.astype(np.float32)


def subject(classifier: Classifier, images: NDArray[np.float32] | None = None) -> Subject:
    module = getattr(classifier, "module", None)
    return subject_of(
        classifier, clean_images() if images is None else images, 0, module=module, why_not="it is a function"
    )
