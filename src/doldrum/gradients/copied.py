"""Make a frozen copy of a torch module. Running the copy cannot change the original."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from torch import nn

from doldrum.errors import ClassifierError, check_memory_left

__all__ = ["frozen_copy"]


def frozen_copy(module: nn.Module) -> nn.Module:
    """Copy `module` to fp32 and evaluation mode, without gradients for its parameters. The original is not changed.

    Tensors that a forward pass in inference mode left in the module (caches, weights made by hooks) become plain
    tensors in the copy, since autograd refuses them. Raises ClassifierError for a module with parts that cannot be
    copied.
    """
    memo: dict[int, Any] = {}
    for part in module.modules():
        for value in vars(part).values():
            if isinstance(value, torch.Tensor) and not value.is_leaf:  # which deepcopy refuses
                memo[id(value)] = value.detach().clone()
    try:
        # With gradients, TorchScript's copies would have a history. What torch says of its own parts is no news to the user.
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = copy.deepcopy(module, memo)
    except Exception as error:  # what a module holds raises what it likes
        check_memory_left(error)
        why = str(error).partition("\n")[0] or type(error).__name__
        raise ClassifierError(
            f"expected a module that can be copied, so that the original is not changed, got {why}; remove locks, files and sessions from it"
        ) from error
    for part in made.modules():
        part.training = False  # .eval() is refused by what torch.export gives
    for parameter in made.parameters():  # TorchScript refuses .requires_grad_() of a whole module
        parameter.requires_grad_(False)
    return made.float()
