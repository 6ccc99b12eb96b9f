"""Dropout at inference: the perturbation of the detector PSBD."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from doldrum.classifiers.base import Classifier
from doldrum.errors import ClassifierError
from doldrum.probes._modules import changed_copy, keep_shares, output_shapes
from doldrum.probes.base import ModelProbe
from doldrum.seeds import rng

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Dropout"]


class Dropout(ModelProbe):
    """Set features to 0 with probability p, and divide the others by 1 - p.

    Each draw has one mask, which is common to all inputs.

    `strengths` are rates p in [0, 1). Draw j keeps a feature if u_j >= p, with u_j ~ U(0, 1). So a feature that is
    dropped at one rate is also dropped at every larger rate.

    Parameters
    ----------
    where : "blocks", "activations", "linear" or names of modules
        Dropout acts on the outputs of these modules, which are called features. "blocks": every residual block (a
        module whose class name ends in Block or Bottleneck), or every activation if there are no blocks, as in PSBD.
        "activations": every activation. "linear": the features are the input of the last linear layer. Name modules as
        torch's `named_modules()` does.

    Source: Li et al. 2024 (PSBD), arXiv 2406.05826, section 4; Gal and Ghahramani 2016.

    Raises ClassifierError for a classifier that isn't a torch module or has no module of the requested kind.

    >>> Dropout([0.5], draws=3)
    Dropout(strengths=[0.5], draws=3, seed=0, where=blocks)
    """

    family = "dropout"

    def __init__(
        self, strengths: Sequence[float], *, where: str | Sequence[str] = "blocks", draws: int = 100, seed: int = 0
    ) -> None:
        super().__init__(strengths, draws=draws, seed=seed)
        self.check_strengths(0.999, "rates of dropout")
        self.where = where if isinstance(where, str) else tuple(where)

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"where": self.where if isinstance(self.where, str) else list(self.where)}

    def model(self, classifier: Classifier, condition: int, draw: int) -> Classifier:
        p = self.strengths[condition]

        def drop(module: nn.Module) -> None:
            import torch

            parts = _parts(module, self.where)
            number = 0
            for part, shapes in zip(parts, output_shapes(module, parts, classifier.input_shape), strict=True):
                masks: list[torch.Tensor] = []
                for shape in shapes:
                    u = rng(self.seed, self.family, draw, number).random(shape, dtype=np.float32)
                    masks.append(torch.from_numpy(np.where(u >= p, np.float32(1 / (1 - p)), np.float32(0))))
                    number += 1
                keep_shares(part, masks)

        return changed_copy(classifier, "features to drop", drop)


def _parts(module: nn.Module, where: str | tuple[str, ...]) -> list[nn.Module]:
    from torch import nn

    named: dict[str, nn.Module] = dict(module.named_modules())
    if not isinstance(where, str):
        missing = [name for name in where if name not in named]
        if missing:
            raise ClassifierError(
                f"expected names of modules of the model, got {missing[0]!r}; see module.named_modules()"
            )
        return [named[name] for name in where]
    activations = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Tanh, nn.Sigmoid)
    found: list[nn.Module] = []
    if where == "linear":
        last = [(name, part) for name, part in named.items() if isinstance(part, nn.Linear)][-1:]
        for name, part in last:
            # Its input is the output of an identity put before it.
            entry = nn.Identity()
            parent, _, child = name.rpartition(".")
            if not name:
                raise ClassifierError("expected features before the last linear layer, got a model that is one layer")
            setattr(named[parent], child, nn.Sequential(entry, part).train(part.training))
            found = [entry.train(part.training)]
    elif where == "blocks":
        found = [part for part in named.values() if type(part).__name__.endswith(("Block", "Bottleneck"))]
    if where == "activations" or (where == "blocks" and not found):
        found = [part for part in named.values() if isinstance(part, activations)]
    if not found:
        raise ClassifierError(
            f"expected a model with {where} to drop from (one of 'blocks', 'activations', 'linear'), got a model "
            "without them; pass where=[names of modules]"
        )
    return found
