"""Triggers that are computed by small networks.

The network's weights are settings of the trigger, and an image's result does not depend on its batch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from doldrum.errors import InputError
from doldrum.triggers.arrays import frozen_array
from doldrum.triggers.base import Images, Trigger

__all__ = ["NetworkTrigger", "weights_of"]

_ROWS = 64


@dataclass(frozen=True, eq=False)
class NetworkTrigger(Trigger):
    """A trigger that a network computes. A subclass defines `build` and `transform`.

    The network always gets batches with the same number of rows, padded if necessary, so that an image's result does
    not depend on its batch. `weights` is the network's state, name -> array.
    """

    weights: Mapping[str, NDArray[np.float32]]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "weights", {name: frozen_array(w) for name, w in dict(self.weights).items()})

    @abstractmethod
    def build(self) -> nn.Module:
        """Return the network of the trigger, before the trigger's weights are loaded into the network."""

    @abstractmethod
    def transform(self, network: nn.Module, images: torch.Tensor) -> torch.Tensor:
        """Add the trigger to a batch of images, and return the changed images."""

    @property
    @abstractmethod
    def image_channels(self) -> int:
        """The number of image channels that the network takes."""

    def network(self) -> nn.Module:
        """The network with its weights, in evaluation mode. Raises InputError if the weights don't fit the network."""
        network = self.build()
        try:
            network.load_state_dict({name: torch.from_numpy(np.array(w)) for name, w in self.weights.items()})
        except RuntimeError as error:
            raise InputError(
                f"expected weights that fit the network of the trigger {self.name!r}, got weights of another network; "
                f"{error}"
            ) from error
        return network.eval().requires_grad_(False)

    def apply(self, images: Images) -> Images:
        if images.shape[1] != self.image_channels:
            raise InputError(
                f"expected images with {self.image_channels} channels, got images with {images.shape[1]} channels; "
                "make a trigger for such images"
            )
        network, out = self.network(), np.empty_like(images)
        with torch.inference_mode():
            for start in range(0, len(images), _ROWS):
                part = images[start : start + _ROWS]
                padded = np.concatenate([part, np.zeros((_ROWS - len(part), *part.shape[1:]), np.float32)])
                out[start : start + _ROWS] = self.transform(network, torch.from_numpy(padded)).numpy()[: len(part)]
        return out


def weights_of(network: nn.Module) -> dict[str, NDArray[np.float32]]:
    """A network's state as a dict of arrays."""
    return {name: tensor.detach().cpu().numpy().astype(np.float32) for name, tensor in network.state_dict().items()}
