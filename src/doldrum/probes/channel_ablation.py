"""Set random channels of the last convolutions to 0."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from doldrum.classifiers.base import Classifier
from doldrum.errors import ClassifierError, InputError
from doldrum.probes._modules import changed_copy, keep_shares
from doldrum.probes.base import ModelProbe
from doldrum.seeds import rng

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ChannelAblation"]


class ChannelAblation(ModelProbe):
    """In each of the last `layers` convolutions, set round(s C) randomly chosen output channels to 0, where C is the
    number of output channels.

    `strengths` are shares s in [0, 1]. Draw j is one random order of the channels, common to all inputs and strengths.
    Channels are set to 0 in the output of the convolution, before any normalisation.

    Source: the pruning of Liu et al. 2018 (Fine-Pruning), arXiv 1805.12185, with random channels.

    Raises ClassifierError for a classifier that isn't a torch module or has fewer than `layers` convolutions.

    >>> ChannelAblation([0.1, 0.5], draws=3)
    ChannelAblation(strengths=[0.1, 0.5], draws=3, seed=0, layers=1)
    """

    family = "channel-ablation"

    def __init__(self, strengths: Sequence[float], *, layers: int = 1, draws: int = 100, seed: int = 0) -> None:
        super().__init__(strengths, draws=draws, seed=seed)
        self.check_strengths(1, "shares of the channels")
        if int(layers) != layers or layers < 1:
            raise InputError(f"expected a whole number of layers of at least 1, got {layers}")
        self.layers = int(layers)

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"layers": self.layers}

    def model(self, classifier: Classifier, condition: int, draw: int) -> Classifier:
        def cut(module: nn.Module) -> None:
            import torch

            convolutions = [part for part in module.modules() if isinstance(part, torch.nn.Conv2d)]
            if len(convolutions) < self.layers:
                raise ClassifierError(
                    f"expected a model with at least {self.layers} convolutions, got {len(convolutions)}; "
                    "ask for fewer layers"
                )
            for at, part in enumerate(reversed(convolutions[-self.layers :])):
                order = rng(self.seed, self.family, draw, at).permutation(part.out_channels)
                gone = order < round(self.strengths[condition] * part.out_channels)
                keep_shares(part, [torch.from_numpy((~gone).astype(np.float32)).reshape(1, -1, 1, 1)])

        return changed_copy(classifier, "convolutions", cut)
