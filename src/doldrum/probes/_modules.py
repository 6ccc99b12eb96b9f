"""Functions that all probes of the model use: copy a classifier's module and change the copy."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any, cast

from doldrum.classifiers.base import Classifier
from doldrum.errors import ClassifierError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from doldrum.classifiers.adapters.module import ModuleClassifier

__all__ = ["changed_copy", "keep_shares", "output_shapes"]


def changed_copy(classifier: Classifier, need: str, change: Callable[[nn.Module], Any]) -> ModuleClassifier:
    """Return a copy of `classifier` with a changed copy of its module. The function `change` changes this copy in
    place."""
    if not hasattr(classifier, "module"):  # asked without torch, which a user of another model may not have
        raise ClassifierError(
            f"expected a torch module with {need}, got a {type(classifier).__name__}, whose layers can't be "
            "changed; pass the nn.Module, or use a probe of images"
        )
    changed = copy.copy(cast("ModuleClassifier", classifier))
    changed.module = copy.deepcopy(changed.module)
    change(changed.module)
    return changed


def output_shapes(
    module: nn.Module, parts: Sequence[nn.Module], input_shape: tuple[int, int, int]
) -> list[list[tuple[int, ...]]]:
    """The output shapes of each module in `parts`, for one image: one shape for each call of the module."""
    import torch

    found: list[list[tuple[int, ...]]] = [[] for _ in parts]

    def note(shapes: list[tuple[int, ...]]) -> Callable[..., None]:
        def hook(_part: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
            shapes.append(tuple(output.shape))

        return hook

    hooks = [part.register_forward_hook(note(shapes)) for part, shapes in zip(parts, found, strict=True)]
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad():
            module(torch.zeros((1, *input_shape), device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def keep_shares(part: nn.Module, masks: Sequence[torch.Tensor]) -> None:
    """Multiply the output of `part` by a mask.

    If a forward pass calls `part` several times, each call has its own mask.
    """
    order = cycle(masks)

    def multiply(_part: nn.Module, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return output * next(order).to(output.device)

    part.register_forward_hook(multiply)
