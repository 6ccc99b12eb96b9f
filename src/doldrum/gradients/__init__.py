"""Gradients of a model's scores with respect to the images. A Classifier that has gradients becomes a frozen torch
module.

Other packages train models, and search for triggers and patterns with these gradients. Use `differentiable`.
`operators` implements ONNX nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doldrum.lazy import torch_names

if TYPE_CHECKING:
    from doldrum.gradients.differentiate import Differentiable, differentiable

_HOMES = {"Differentiable": "differentiate", "differentiable": "differentiate"}

__all__ = ["Differentiable", "differentiable"]

__getattr__ = torch_names(__name__, _HOMES)
