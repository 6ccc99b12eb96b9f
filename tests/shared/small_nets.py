"""A small seeded network for unit tests."""

from __future__ import annotations

import torch


def small_net(classes: int = 4, shape: tuple[int, int, int] = (1, 8, 8), seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    c, h, w = shape
    net = torch.nn.Sequential(
        torch.nn.Conv2d(c, 8, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * (h // 2) * (w // 2), classes),
    )
    # Larger weights spread the labels, so that noise changes some of them.
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(3)
    return net.eval()
