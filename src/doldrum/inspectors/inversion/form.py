"""Form: a family of triggers with numbers that can be searched by gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch

from doldrum.triggers.base import Trigger

__all__ = ["Form", "Parts", "enlarged"]

Parts = list[torch.Tensor]
"""What the search changes: tensors whose first axis is the route."""


class Form(ABC):
    """Triggers of one form for R routes at once, over images of one shape (C, H, W)."""

    name: ClassVar[str]
    title: ClassVar[str]
    rate: ClassVar[float]
    """Learning rate of Adam."""

    @abstractmethod
    def start(self, routes: int, shape: tuple[int, int, int], chance: torch.Generator) -> Parts:
        """Where the search begins: a weak trigger for each route."""

    @abstractmethod
    def apply(self, parts: Parts, images: torch.Tensor) -> torch.Tensor:
        """Images (R, B, C, H, W) with the trigger of their route, in [0, 1]."""

    @abstractmethod
    def size(self, parts: Parts, shape: tuple[int, int, int]) -> torch.Tensor:
        """How much each route's trigger changes (R,), above 0: what is made small."""

    @abstractmethod
    def trigger(self, parts: Parts, shape: tuple[int, int, int]) -> Trigger:
        """The trigger of parts that have one route left."""


def enlarged(control: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
    """Control points (R, n, k, k) as smooth fields (R, n, H, W)."""
    return torch.nn.functional.interpolate(control, size=shape[1:], mode="bicubic", align_corners=True)
