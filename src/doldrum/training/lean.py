"""torch's optimizers without torch.compile, whose import takes 3 s of processor time."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any, TypeVar, cast

import torch

__all__ = ["lean"]

Kind = TypeVar("Kind", bound=torch.optim.Optimizer)
_WRAPPED = ("add_param_group", "load_state_dict", "state_dict")


def lean(kind: type[Kind]) -> type[Kind]:
    """Make a subclass of the optimizer `kind` that does the same, bit for bit, and never imports torch.compile.

    torch wraps these methods, and the wrappers import torch.compile, so that a compiled training loop can leave the
    methods out.
    """
    return cast("type[Kind]", _made(kind))


@cache  # a search makes many optimizers
def _made(kind: type[torch.optim.Optimizer]) -> type:
    own: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in _WRAPPED}
    own["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), own)
