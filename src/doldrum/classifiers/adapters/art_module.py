"""Convert ART's PyTorchClassifier to a torch module, which every engine can run."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from doldrum.classifiers.adapters.art_layout import ArtLayout
from doldrum.classifiers.adapters.module import ModuleClassifier
from doldrum.classifiers.base import Outputs

__all__ = ["ArtModuleClassifier", "art_module"]


class ArtModuleClassifier(ModuleClassifier):
    """The module inside a `PyTorchClassifier`, with ART's scaling and preprocessing in front of it."""

    def __init__(self, module: nn.Module, layout: ArtLayout, *, num_classes: int, outputs: Outputs) -> None:
        super().__init__(module, input_shape=layout.input_shape, num_classes=num_classes, outputs=outputs)
        self.layout = layout


class _Standardised(nn.Module):
    """A module that computes (x * width + low - mean) / std, and then runs the model."""

    def __init__(self, model: nn.Module, **values: Any) -> None:
        super().__init__()
        self.model = model
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        self.low: torch.Tensor
        self.width: torch.Tensor
        self.mean: torch.Tensor
        self.std: torch.Tensor
        for name, value in values.items():
            self.register_buffer(name, torch.tensor(np.array(value), dtype=torch.float32, device=device))

    def forward(self, x: torch.Tensor) -> Any:
        return self.model((x * self.width + self.low - self.mean) / self.std)


def art_module(estimator: Any, layout: ArtLayout, *, num_classes: int, outputs: Outputs) -> ArtModuleClassifier | None:
    """Convert the estimator to a module in evaluation mode, which `predict` also uses. The result is None if the
    estimator has any processing steps that the module cannot compute."""
    steps = list(getattr(estimator, "preprocessing_operations", ()) or ())
    mean, std = np.float32(0), np.float32(1)
    if steps:
        plain = len(steps) == 1 and type(steps[0]).__name__ in (
            "StandardisationMeanStdPyTorch",
            "StandardisationMeanStd",
        )
        if not plain or not steps[0].apply_predict:
            return None
        mean, std = (np.asarray(v, dtype=np.float32) for v in (steps[0].mean, steps[0].std))
    if getattr(estimator, "postprocessing_defences", None):
        return None
    shape = (1, -1, 1, 1)
    if any(v.ndim > 1 or v.size not in (1, layout.input_shape[0]) for v in (mean, std)):
        return None
    model = estimator.model.eval()
    low, high = layout.channel_first(layout.low), layout.channel_first(layout.high)
    module = _Standardised(model, low=low, width=high - low, mean=mean.reshape(shape), std=std.reshape(shape)).eval()
    images = torch.zeros((2, *layout.input_shape), device=module.low.device)
    with torch.inference_mode():
        out = module(images)
    if not isinstance(out, torch.Tensor) or out.shape != (2, num_classes):
        return None
    return ArtModuleClassifier(module, layout, num_classes=num_classes, outputs=outputs)
