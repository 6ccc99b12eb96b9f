"""ResNet-50, plain: torchvision's cannot be imported beside every build of torch."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["resnet50"]


def _conv(inside: int, outside: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outside), nn.ReLU()
    )


class _Bottleneck(nn.Module):
    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        outside = 4 * width
        last = nn.Sequential(nn.Conv2d(width, outside, 1, bias=False), nn.BatchNorm2d(outside))
        self.inner = nn.Sequential(_conv(inside, width, 1), _conv(width, width, 3, stride), last)
        short = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))
        self.shortcut = nn.Identity() if inside == outside and stride == 1 else short

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.inner(x) + self.shortcut(x))


def resnet50(channels: int = 3, classes: int = 10) -> nn.Module:
    """Source: He et al. 2016, "Deep residual learning for image recognition", with the stride at the 3 x 3 (8.2 GFLOP at 224)."""
    layers: list[nn.Module] = [_conv(channels, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    inside = 64
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            layers.append(_Bottleneck(inside, width, stride if block == 0 else 1))
            inside = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, classes)).eval()
