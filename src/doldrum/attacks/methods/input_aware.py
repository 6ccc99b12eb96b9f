"""Input-aware: a generator makes a different trigger for each image.

The generator is trained together with the classifier.
"""

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
from doldrum.poisoning.plan import PoisonPlan
from doldrum.seeds import child_seed
from doldrum.training.hooks import TrainingHook

__all__ = ["GeneratedTrigger", "InputAwareHook", "check_input_aware"]


class _Generator(nn.Module):
    """Two small encoder-decoders that compute a pattern in [0, 1] and a mask in [0, 1] from an image."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.pattern, self.mask = _hourglass(channels, channels, width), _hourglass(channels, 1, width)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pattern, mask = self.pattern(2 * x - 1), self.mask(2 * x - 1)
        size = x.shape[2:]
        return (
            torch.sigmoid(F.interpolate(pattern, size=size, mode="bilinear")),
            # Ten times steeper than a plain sigmoid, as in the paper: masks come out nearly binary.
            torch.sigmoid(10 * F.interpolate(mask, size=size, mode="nearest")),
        )

    def blend(self, x: torch.Tensor, of: torch.Tensor | None = None) -> torch.Tensor:
        """Add a trigger to each image of `x`.

        By default, each image of `x` gets the trigger that the generator makes for this image. If `of` is given, the
        i-th image of `x` gets the trigger that the generator makes for the i-th image of `of`.
        """
        pattern, mask = self(x if of is None else of)
        return x + mask * (pattern - x)


def _hourglass(inside: int, outside: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, width, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.ReLU(),
        nn.Upsample(scale_factor=2), nn.Conv2d(2 * width, width, 3, padding=1), nn.ReLU(),
        nn.Upsample(scale_factor=2), nn.Conv2d(width, outside, 3, padding=1),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class GeneratedTrigger(NetworkTrigger):
    """Change an image x to (1 - m(x)) x + m(x) p(x). A network computes the mask m and the pattern p from x.

    The trigger is made by `InputAwareHook.trigger`.

    Source: Nguyen & Tran 2020, arXiv 2010.08138, section 3.
    """

    name: ClassVar[str] = "generated"
    width: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if "pattern.0.weight" not in self.weights or not 1 <= self.width <= 1024:
            raise InputError(
                f"expected the weights of a generator and a width from 1 to 1024, got weights without its first layer, or the width {self.width!r}; make the trigger with InputAwareHook"
            )

    @property
    def image_channels(self) -> int:
        return int(self.weights["pattern.0.weight"].shape[1])

    def build(self) -> nn.Module:
        return _Generator(self.image_channels, self.width)

    def transform(self, network: nn.Module, images: torch.Tensor) -> torch.Tensor:
        return network.blend(images)  # type: ignore[operator]


def check_input_aware(images: NDArray[Any], plan: PoisonPlan, *, density: float, diversity: float) -> None:
    """Raise InputError for settings that `InputAwareHook` refuses."""
    if plan.mode not in ("all-to-one", "all-to-all") or not 0 < density < 1 or not len(images):
        raise InputError(
            f"expected a plan of the mode all-to-one or all-to-all and a mask density in (0, 1), got the mode {plan.mode} and "
            f"the density {density:g}; the paper has the density .032"
        )
    if not 0 <= diversity <= 1e6:
        raise InputError(f"expected a weight from 0 to 1e6 as diversity, got {diversity:g}; the paper has 1")


class InputAwareHook(TrainingHook):
    """Poison each batch, and train the generator of the triggers by one step.

    In each batch, a share `plan.rate` of the images get their own trigger and the attacker's label. The same number of
    images get the trigger of another image and keep their label (cross-triggered images).

    The generator's loss has three terms. The first two terms are the cross-entropy of triggered images with the
    attacker's labels, and the cross-entropy of cross-triggered images with their true labels. The third term is
    `diversity` times |x - x'| / |p(x) - p(x')|, where x and x' are two images, and p(x) is the pattern for x. The mask
    network is trained before the classifier. The loss of the mask network has two terms: one keeps the mean value of a
    mask near or below `density`, and one makes the masks of different images differ. During the training of the
    classifier, the mask network is fixed, as in the paper (section 3.4).

    The plan must be all-to-one or all-to-all.
    """

    def __init__(
        self,
        images: NDArray[Any],
        plan: PoisonPlan,
        *,
        num_classes: int,
        density: float = 0.032,
        diversity: float = 1.0,
        mask_steps: int = 150,
        width: int = 8,
        seed: int = 0,
    ) -> None:
        check_input_aware(images, plan, density=density, diversity=diversity)
        plan.check_classes(num_classes)
        self.plan, self.num_classes, self.diversity, self.width = plan, num_classes, diversity, width
        self.name = f"input-aware {plan.to_dict()} {density} {diversity} {mask_steps} {width} {seed}"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(child_seed(seed, "input-aware", "weights") % 2**63)
            self.network = _Generator(images.shape[1], width)
        self._train_mask(
            images, density=density, steps=mask_steps, generator=generator_for(seed, "input-aware", "mask")
        )
        self.optimizer = torch.optim.Adam(self.network.pattern.parameters(), lr=5e-3, betas=(0.5, 0.9))

    def _train_mask(self, images: NDArray[Any], *, density: float, steps: int, generator: torch.Generator) -> None:
        optimizer = torch.optim.Adam(self.network.mask.parameters(), lr=5e-3, betas=(0.5, 0.9))
        for _ in range(steps):
            one, other = (
                as_tensor(images[torch.randint(len(images), (64,), generator=generator).numpy()]) for _ in range(2)
            )
            mask, mask_other = self.network(one)[1], self.network(other)[1]
            loss = 10 * F.relu(mask.mean(dim=(1, 2, 3)) - density).mean() + 1e-2 * _sameness(
                one, other, mask, mask_other
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self.network.mask.requires_grad_(False)

    def on_batch(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, model: nn.Module
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.network.to(images.device)
        order = torch.randperm(len(images), generator=generator).to(images.device)
        allowed = torch.ones_like(labels, dtype=torch.bool)
        if self.plan.mode == "all-to-one":
            allowed = labels != self.plan.target
        order = order[allowed[order]]
        # The share of a batch is rounded at random, so that it is met on average whatever the batch size.
        share = self.plan.rate * len(images)
        count = min(int(share) + int(torch.rand((), generator=generator) < share % 1), len(order) // 2)
        if self.plan.mode == "all-to-one":
            wanted = torch.full_like(labels, self.plan.target)
        else:
            wanted = (labels + 1) % self.num_classes
        other = images[torch.randperm(len(images), generator=generator).to(images.device)]
        # The generator learns from at least 32 images, more than a small rate would give it.
        learning = order[: max(count, min(32, len(order) // 2))]
        if len(learning):
            self._step(images[learning], labels[learning], wanted[learning], other[: len(learning)], model)
        attacked, crossed = order[:count], order[count : 2 * count]
        images, labels = images.clone(), labels.clone()
        with torch.no_grad():
            images[attacked] = self.network.blend(images[attacked])
            images[crossed] = self.network.blend(images[crossed], of=other[: len(crossed)])
        labels[attacked] = wanted[attacked]
        return images, labels

    def _step(
        self, images: torch.Tensor, labels: torch.Tensor, wanted: torch.Tensor, other: torch.Tensor, model: nn.Module
    ) -> None:
        # The classifier is only looked through: its batch statistics and gradients stay as they were.
        kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
        pattern, mask = self.network(images)
        pattern_other, mask_other = self.network(other)
        both = torch.cat([images + mask * (pattern - images), images + mask_other * (pattern_other - images)])
        loss = F.cross_entropy(model(both), torch.cat([wanted, labels]))
        loss = loss + self.diversity * _sameness(images, other, pattern, pattern_other)
        parameters = list(self.network.pattern.parameters())
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(kept[name])

    def trigger(self) -> GeneratedTrigger:
        """The trigger with the generator's current weights."""
        return GeneratedTrigger(weights=weights_of(self.network), width=self.width)

    def state_dict(self) -> dict[str, torch.Tensor]:
        state = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            state |= {f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in slots.items()}
        return state

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        cut = len("network.")
        self.network.load_state_dict({k[cut:]: v for k, v in state.items() if k.startswith("network.")})
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in state.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                slots.setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})


def _sameness(x: torch.Tensor, other: torch.Tensor, out: torch.Tensor, out_other: torch.Tensor) -> torch.Tensor:
    """The mean of |x - x'| / |g(x) - g(x')|.

    This value is large if different images get the same trigger (equation 6).
    """
    apart = (x - other).square().mean(dim=(1, 2, 3)).sqrt()
    return (apart / ((out - out_other).square().mean(dim=(1, 2, 3)) + 1e-6).sqrt().clamp_min(1e-2)).mean()
