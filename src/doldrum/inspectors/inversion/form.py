"""`Form` is a kind of trigger whose parameters can be optimised with gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch

from doldrum.triggers.base import Trigger

__all__ = ["Form", "Parts", "enlarged"]

Parts = list[torch.Tensor]
"""The parameters that the search optimises: tensors whose first axis is the route."""


class Form(ABC):
    """Triggers of one form, for R routes at once and for images of one shape (C, H, W)."""

    name: ClassVar[str]
    title: ClassVar[str]
    rate: ClassVar[float]
    """The learning rate of Adam for this form."""

    @abstractmethod
    def start(self, routes: int, shape: tuple[int, int, int], chance: torch.Generator) -> Parts:
        """The parameters at the start of the search: a weak trigger for each route."""

    @abstractmethod
    def apply(self, parts: Parts, images: torch.Tensor) -> torch.Tensor:
        """Add each route's trigger to the images of this route. The result (R, B, C, H, W) is in [0, 1]."""

    @abstractmethod
    def size(self, parts: Parts, shape: tuple[int, int, int]) -> torch.Tensor:
        """The size of each route's trigger: R numbers above 0. The search tries to make these sizes small."""

    @abstractmethod
    def trigger(self, parts: Parts, shape: tuple[int, int, int]) -> Trigger:
        """The parameters of a single route as a Trigger object."""


def enlarged(control: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
    """Enlarge grids of k x k control points (R, n, k, k) to smooth fields (R, n, H, W)."""
    return torch.nn.functional.interpolate(control, size=shape[1:], mode="bicubic", align_corners=True)
