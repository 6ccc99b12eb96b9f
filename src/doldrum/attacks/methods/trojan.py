"""TrojanNN: a patch that is optimised to activate neurons with a large weight for the target class."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from doldrum.attacks.methods.module import as_tensor, frozen, generator_for, last_linear, module_of
from doldrum.errors import InputError
from doldrum.triggers.masked import MaskedPattern
from doldrum.triggers.patch import CORNERS, corner_slices

__all__ = ["check_trojan", "trojan_patch"]


def check_trojan(
    module: nn.Module, shape: tuple[int, ...], *, target: int, size: int, neurons: int, steps: int
) -> nn.Linear:
    """Raise InputError for settings that don't fit the images or the network. Returns the network's last layer.

    The network need not be trained, so this check comes before a surrogate is trained.
    """
    if size < 1 or neurons < 1 or steps < 1:
        raise InputError(
            f"expected size, neurons and steps of at least 1, got {size}, {neurons} and {steps}; e.g. 4, 2, 100"
        )
    corner_slices(shape, size=size, corner=CORNERS[0], margin=0)
    layer = last_linear(module)
    if not 0 <= target < layer.out_features or neurons > layer.in_features:
        raise InputError(
            f"expected a target class below {layer.out_features} and 1 to {layer.in_features} neurons, got the target class {target} "
            f"and {neurons} neurons; change these settings"
        )
    return layer


def trojan_patch(
    model: Any,
    images: NDArray[Any],
    *,
    target: int,
    size: int = 4,
    corner: str = "lower right",
    neurons: int = 2,
    steps: int = 100,
    seed: int = 0,
) -> MaskedPattern:
    """A trigger with a `size` x `size` patch whose pixels maximise the mean activation of chosen neurons.

    The neurons are the inputs of the network's last linear layer that have the largest weights for the target class.
    Adam optimises the patch over the images (a few hundred are enough), from a start of uniform noise.

    Source: Liu et al. 2018, "Trojaning attack on neural networks", NDSS, section IV.A. In the paper, the neurons are
    chosen by their incoming weights, and the network is then retrained. Here the neurons are chosen by their weights to
    the target, and the attacked model is trained on a set that is poisoned with the patch.

    Raises InputError for models without gradients or without a linear layer, and for settings that don't fit the model.
    """
    module = module_of(model)
    layer = check_trojan(module, images.shape[2:], target=target, size=size, neurons=neurons, steps=steps)
    if not len(images):
        raise InputError("expected images to make the patch on, got none; pass some images")
    generator = generator_for(seed, "trojan")
    channels, height, width = images.shape[1:]
    rows, columns = corner_slices((height, width), size=size, corner=corner, margin=0)
    mask = np.zeros((height, width), dtype=np.float32)
    mask[rows, columns] = 1
    seen: list[torch.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        with frozen(module):
            clean = as_tensor(images[:256], module)
            chosen = layer.weight[target].topk(neurons).indices
            patch = torch.rand((channels, size, size), generator=generator).to(clean.device).requires_grad_(True)
            optimizer = torch.optim.Adam([patch], lr=0.05)
            for _ in range(steps):
                batch = clean[torch.randint(len(clean), (32,), generator=generator).to(clean.device)].clone()
                batch[:, :, rows, columns] = patch
                seen.clear()
                module(batch)
                optimizer.zero_grad()
                (-seen[0].flatten(0, -2)[:, chosen].mean()).backward()
                optimizer.step()
                with torch.no_grad():
                    patch.clamp_(0, 1)
    finally:
        handle.remove()
    pattern = np.zeros((channels, height, width), dtype=np.float32)
    pattern[:, rows, columns] = patch.detach().cpu().numpy()
    return MaskedPattern(mask=mask, pattern=pattern)
