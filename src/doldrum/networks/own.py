"""Small reference networks by name, with random weights. Each network takes normalised NCHW images."""

from __future__ import annotations

import math
from collections.abc import Callable

from doldrum.errors import InputError
from doldrum.lazy import extras

with extras():
    import torch
    from torch import nn
    from torch.nn import functional as F

__all__ = ["NETWORKS", "Normalise", "Shape"]

Shape = tuple[int, int, int]


class Normalise(nn.Module):
    """Computes (x - mean) / std per channel. Mean and std are buffers, so they are saved with the weights."""

    def __init__(self, channels: int, *, mean: float = 0.5, std: float = 0.25) -> None:
        super().__init__()
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", torch.full((1, channels, 1, 1), mean))
        self.register_buffer("std", torch.full((1, channels, 1, 1), std))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.std


def _conv(inside: int, outside: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


def _fashion_cnn(shape: Shape, classes: int) -> nn.Module:
    """Four convolutions, none at full resolution, and a linear layer over all positions (5.9 MFLOP at 28x28).

    Full resolution is avoided because, on a CPU, a small network at full resolution needs more time for memory traffic
    than for arithmetic.
    """
    channels, height, width = shape
    quarter = (-(-height // 4), -(-width // 4))
    up = min(quarter) < 2  # nothing would be left of a single row or column
    places = math.prod((side + up) // 2 for side in quarter)
    return nn.Sequential(
        _conv(channels, 16, stride=2),
        _conv(16, 64, stride=2),
        _conv(64, 64),
        nn.MaxPool2d(2, ceil_mode=up),
        _conv(64, 128),
        nn.Flatten(),
        nn.Linear(128 * places, classes),
    )


def _mlp(shape: Shape, classes: int) -> nn.Module:
    size = shape[0] * shape[1] * shape[2]
    hidden = [nn.Linear(size, 256), nn.ReLU(inplace=True), nn.Linear(256, 128), nn.ReLU(inplace=True)]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(128, classes))


class _ResidualBlock(nn.Module):
    """A basic residual block. Source: He et al. 2016, "Deep residual learning for image recognition". Each batch
    normalisation can be folded into the convolution before it."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        second = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.inner = nn.Sequential(_conv(inside, outside, stride=stride), second, nn.BatchNorm2d(outside))
        same = stride == 1 and inside == outside
        projection = (nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))
        self.shortcut = nn.Identity() if same else nn.Sequential(*projection)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.inner(x) + self.shortcut(x))


def _resnet_small(shape: Shape, classes: int) -> nn.Module:
    """Three residual blocks, none at full resolution, and a mean over all positions (14 MFLOP at 28x28)."""
    blocks = (_ResidualBlock(16, 16, 1), _ResidualBlock(16, 64, 2), _ResidualBlock(64, 128, 2))
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, classes))
    return nn.Sequential(_conv(shape[0], 16, stride=2), *blocks, *head)


class _PreActBlock(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inside), nn.BatchNorm2d(outside)
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        same = stride == 1 and inside == outside
        self.shortcut = None if same else nn.Conv2d(inside, outside, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = F.relu(self.norm1(x))
        kept = x if self.shortcut is None else self.shortcut(out)
        return self.conv2(F.relu(self.norm2(self.conv1(out)))) + kept


def _preact_resnet18(shape: Shape, classes: int) -> nn.Module:
    """PreActResNet-18. Source: He et al. 2016, "Identity mappings in deep residual networks", the version for CIFAR
    (3x3 stem)."""
    layers: list[nn.Module] = [nn.Conv2d(shape[0], 64, 3, 1, 1, bias=False)]
    inside = 64
    for outside, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [_PreActBlock(inside, outside, stride), _PreActBlock(outside, outside, 1)]
        inside = outside
    head = [nn.BatchNorm2d(512), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes)]
    return nn.Sequential(*layers, *head)


def _vgg11_bn(shape: Shape, classes: int) -> nn.Module:
    """VGG-11. Source: Simonyan and Zisserman 2015, configuration A, here with batch normalisation and one linear
    layer."""
    layers: list[nn.Module] = []
    inside = shape[0]
    for outside, pool in ((64, 1), (128, 1), (256, 0), (256, 1), (512, 0), (512, 1), (512, 0), (512, 1)):
        layers.append(_conv(inside, outside))
        if pool:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        inside = outside
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))


class _Attention(nn.Module):
    """Multi-head self-attention from basic operations, which every exporter supports."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inward, self.outward = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens, width = x.shape[1], x.shape[2]
        qkv = self.inward(x).reshape(-1, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        return self.outward(mixed.transpose(1, 2).reshape(-1, tokens, width))


class _ViTBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = _Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class _ViT(nn.Module):
    """A vision transformer with four blocks, patches of 4 x 4 pixels (2 x 2 for small images), and a mean over the
    tokens at the end."""

    def __init__(self, shape: Shape, classes: int, *, width: int = 96, depth: int = 4, heads: int = 4) -> None:
        super().__init__()
        patch = 4 if min(shape[1:]) >= 16 else 2
        tokens = (shape[1] // patch) * (shape[2] // patch)
        if tokens < 1:
            raise InputError(
                f"expected images of at least {patch}x{patch} for vit-small, got images of shape {shape}; use the network 'mlp'"
            )
        self.patches = nn.Conv2d(shape[0], width, patch, patch)
        self.position = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        self.blocks = nn.Sequential(*(_ViTBlock(width, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.norm(self.blocks(tokens)).mean(dim=1))


NETWORKS: dict[str, Callable[[Shape, int], nn.Module]] = {
    "fashion-cnn": _fashion_cnn,
    "mlp": _mlp,
    "preact-resnet18": _preact_resnet18,
    "resnet-small": _resnet_small,
    "vgg11-bn": _vgg11_bn,
    "vit-small": _ViT,
}
