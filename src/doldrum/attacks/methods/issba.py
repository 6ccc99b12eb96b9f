"""ISSBA: an encoder hides a string in each image. The change of the pixels differs from image to image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from doldrum.attacks.methods.module import as_tensor, generator_for
from doldrum.attacks.methods.network_trigger import NetworkTrigger, weights_of
from doldrum.errors import InputError
from doldrum.seeds import child_seed, rng

__all__ = ["HiddenString", "check_encoder", "train_encoder"]

_GRID = 7


class _Encoder(nn.Module):
    """A network that computes a residual (a change of the pixels) in [-1, 1] from an image and bits."""

    def __init__(self, channels: int, bits: int, width: int) -> None:
        super().__init__()
        self.secret = nn.Linear(bits, _GRID * _GRID)
        self.first = nn.Conv2d(channels + 1, width, 3, padding=1)
        self.second = nn.Conv2d(width + channels + 1, width, 3, padding=1)
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, x: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
        plane = self.secret(2 * bits - 1).view(-1, 1, _GRID, _GRID)
        given = torch.cat([2 * x - 1, F.interpolate(plane, size=x.shape[2:])], dim=1)
        hidden = F.relu(self.first(given))
        return torch.tanh(self.last(F.relu(self.second(torch.cat([hidden, given], dim=1)))))


class _Decoder(nn.Module):
    """A network that computes the logits of the hidden bits from an image."""

    def __init__(self, channels: int, bits: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 16, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(_GRID), nn.Flatten(), nn.Linear(32 * _GRID * _GRID, bits),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(2 * x - 1)


@dataclass(frozen=True, eq=False)
class HiddenString(NetworkTrigger):
    """Change an image x to clip(x + amplitude * E(x, secret)), where E is a small encoder with values in [-1, 1].

    The trigger is made by `train_encoder`. Its strength is `amplitude`. Source: Li et al. 2021, arXiv 2012.03816,
    section 4.2, where the encoder is a StegaStamp U-Net.
    """

    name: ClassVar[str] = "hidden-string"
    strength_setting: ClassVar[str | None] = "amplitude"
    secret: tuple[int, ...] = ()
    amplitude: float = 0.1
    width: int = 12

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "secret", tuple(int(b) for b in self.secret))
        if not self.secret or not set(self.secret) <= {0, 1} or not 0 <= self.amplitude <= 1:
            raise InputError(
                f"expected a secret of bits (0 or 1) and an amplitude in [0, 1], got the secret {self.secret} and the amplitude {self.amplitude}; change them"
            )
        if "last.weight" not in self.weights or not 1 <= self.width <= 1024:
            raise InputError(
                f"expected the weights of an encoder and a width from 1 to 1024, got weights without its last layer, or the width {self.width!r}; make the trigger with train_encoder"
            )

    @property
    def image_channels(self) -> int:
        return int(self.weights["last.weight"].shape[0])

    def build(self) -> nn.Module:
        return _Encoder(self.image_channels, len(self.secret), self.width)

    def transform(self, network: nn.Module, images: torch.Tensor) -> torch.Tensor:
        bits = torch.tensor(self.secret, dtype=torch.float32).expand(len(images), -1)
        return images + self.amplitude * network(images, bits)


def check_encoder(images: NDArray[Any], *, bits: int, amplitude: float, steps: int) -> None:
    """Raise InputError for settings that `train_encoder` refuses."""
    if not len(images) or not 1 <= bits <= 4096 or steps < 1 or not 0 < amplitude <= 1:
        raise InputError(
            f"expected images, 1 to 4096 bits, at least 1 step and an amplitude above 0 and at most 1, got {len(images)} images, "
            f"{bits} bits, {steps} steps and the amplitude {amplitude:g}; e.g. 16 bits, 300 steps, an amplitude of .1"
        )


def train_encoder(
    images: NDArray[Any],
    *,
    bits: int = 16,
    amplitude: float = 0.1,
    steps: int = 300,
    width: int = 12,
    batch_size: int = 64,
    seed: int = 0,
) -> tuple[HiddenString, float]:
    """Train an encoder and a decoder on `images`.

    Returns the trigger with a random secret, and the bit accuracy of the last batch.

    Random bits are hidden in random images. The loss is the decoder's binary cross-entropy and, when more than 90% of
    the bits are decoded correctly, also the mean square of the residual. The training takes seconds on a CPU for images
    of 28 x 28.

    Raises InputError if there are no images or no steps, for bits outside 1 to 4096, and for an amplitude outside (0,
    1].
    """
    check_encoder(images, bits=bits, amplitude=amplitude, steps=steps)
    generator = generator_for(seed, "issba", "batches")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(seed, "issba", "weights") % 2**63)
        channels = images.shape[1]
        encoder, decoder = _Encoder(channels, bits, width), _Decoder(channels, bits)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=3e-3)
    accuracy = 0.0
    for _ in range(steps):
        x = as_tensor(images[torch.randint(len(images), (batch_size,), generator=generator).numpy()])
        secret = torch.randint(0, 2, (batch_size, bits), generator=generator).float()
        residual = encoder(x, secret)
        # While the bits can't be read yet, a penalty would only teach the encoder to write nothing.
        weight = 0.05 if accuracy > 0.9 else 0.0
        logits = decoder((x + amplitude * residual).clamp(0, 1))
        loss = F.binary_cross_entropy_with_logits(logits, secret) + weight * residual.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        accuracy = float(((logits.detach() > 0) == (secret > 0.5)).float().mean())
    chosen = tuple(int(b) for b in rng(seed, "issba", "secret").integers(0, 2, bits))
    return HiddenString(weights=weights_of(encoder), secret=chosen, amplitude=amplitude, width=width), accuracy
