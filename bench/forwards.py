"""What benches of engines share: networks, the FLOPs of a forward, the ceiling that a product shows, ratios round by round."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

NETWORKS = {
    "small CNN": ("fashion-cnn", (1, 28, 28)),
    "PreActResNet-18": ("preact-resnet18", (3, 32, 32)),
    "small ViT": ("vit-small", (3, 32, 32)),
    "EfficientNet-Lite0": ("efficientnet-lite0", (3, 224, 224)),  # the extra `transfer`
}


def flops_of(module: torch.nn.Module, shape: tuple[int, ...]) -> int:
    """2 x MACs of one forward. The counter sees attention's products only where they are written out."""
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        module(torch.zeros(1, *shape))
    return counter.get_total_flops()


def product(precision: torch.dtype, device: str = "cpu") -> tuple[Callable[[], Any], int]:
    """A product of two square matrices, and its FLOPs."""
    side = 2048 if device == "cpu" else 8192
    left, right = (torch.randn(side, side).to(device, precision) for _ in range(2))
    return lambda: torch.mm(left, right)[0, 0].item(), 2 * side**3  # the item waits for a GPU


def seconds(call: Callable[[], Any], clock: Callable[[], float]) -> float:
    start = clock()
    call()
    return clock() - start


def spread(over: list[float], under: list[float]) -> dict[str, float]:
    """Ratios round by round: median, smallest and largest."""
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


def said(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
