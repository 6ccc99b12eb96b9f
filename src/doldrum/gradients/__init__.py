"""Gradients of a model's scores with respect to the images: any Classifier that can have them, as a frozen torch module.

No search that uses them (triggers, patterns), and no training. `differentiable` is the one way in; `operators` has what ONNX nodes do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doldrum.lazy import torch_names

if TYPE_CHECKING:
    from doldrum.gradients.differentiate import Differentiable, differentiable

_HOMES = {"Differentiable": "differentiate", "differentiable": "differentiate"}

__all__ = ["Differentiable", "differentiable"]

__getattr__ = torch_names(__name__, _HOMES)
