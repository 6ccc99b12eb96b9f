"""`unlearn`: train the model to predict the same class with the trigger as without it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from doldrum.errors import ClassifierError
from doldrum.gradients.copied import frozen_copy
from doldrum.pixels import to_float
from doldrum.repairing.contract import RepairMethod, Task
from doldrum.repairing.recipe import for_task
from doldrum.repairing.steady import Steady
from doldrum.repairing.universal import Universal
from doldrum.training.hooks import TrainingHook

__all__ = ["Unlearn"]

_SHIFT = 2  # pixels, at most
_BATCH = 256  # images in one forward of the model as it was


@dataclass(frozen=True)
class Unlearn(RepairMethod):
    """Train a copy of the model: its scores with the found trigger should match the model's scores without it.

        loss = mean over z of CE(f(z), g(z)) + weight * mean over x of CE(f(x), g(T(x)))

    f gives the softmax scores of the model before the repair, and g the scores of the copy. CE(p, q) = -sum_k p_k log
    q_k, and T is the trigger. The image x is a clean image of a class that the route starts from. The image z is a
    clean image or a mixture of two clean images. The first term keeps what the model knows. Scores say far more about
    an image than a label, and any number of mixtures can be made. So a few hundred clean images are enough, and no
    labels are needed.

    The found trigger may differ from the attacker's. So if the trigger leads to one class, there is a third term,
    chased * mean over x of CE(f(x), g(x + d)). Here d is a universal perturbation towards this class, which is adapted
    to the copy during the training.

    If the inspection compared the model with clean reference models and found no sign of a backdoor, the model most
    likely has nothing to unlearn, and could only lose accuracy. Then the repair is cautious: there is no third term, the
    weight is smaller, and the number of epochs is doubled.

    Sources: Wang et al. 2019, "Neural Cleanse", IEEE S&P, section VI.C (unlearning with the found trigger); Hinton et
    al. 2015, arXiv 1503.02531 (scores as targets); Beyer et al. 2022, arXiv 2106.05237 (the same on mixtures of
    images); Shafahi et al. 2018, "Universal adversarial training", arXiv 1811.11304 (one perturbation that takes a step
    in each batch).
    """

    lr: float = 0.02
    epochs: float = 20
    weight: float = 1.0
    """The loss weight of the images with the trigger."""
    cautious: float = 0.4
    """The loss weight of the images with the trigger in a cautious repair."""
    mixed: int = 2
    """The number of mixtures for each clean image."""
    marked: float = 0.5
    """The number of images with the trigger for each clean image of a batch."""
    longest: float = 20.0
    """Gradients are clipped to this norm, for a small model.

    If the trigger makes the model very certain, the first gradients are huge, and would damage the model.
    """
    longest_of_large: float = 1.0
    """Gradients are clipped to this norm, for a large model. With a norm of 20, a ResNet-18 lost 28 points of accuracy."""
    chased: float = 0.05
    """The loss weight of the images with a universal perturbation."""
    rms: float = 0.07
    """The largest size of this perturbation: its root mean square over the values of an image, for pixels in [0, 1]."""

    name = "unlearn"
    title = "unlearning the trigger that was found"
    paper = "Wang et al. 2019, Neural Cleanse, IEEE S&P"
    needs_trigger = True

    def repair(self, task: Task) -> None:
        assert task.recovered is not None
        recipe = for_task(task, lr=self.lr, epochs=2 * self.epochs if task.recovered.cleared else self.epochs)
        task.tune(recipe, model=Steady(task.model), hook=_Matching(task, self), stage=self.name)


class _Matching(TrainingHook):
    """Makes each training batch, with the original model's scores as targets.

    A batch has clean images, mixtures of them, images with the trigger, and images with a universal perturbation. The
    weight of a sample is the sum of its targets, because CE is linear in them.
    """

    def __init__(self, task: Task, settings: Unlearn) -> None:
        assert task.recovered is not None
        images = to_float(task.data.images)
        self.settings = settings
        self.longest = settings.longest_of_large if task.large else settings.longest
        self.before = frozen_copy(task.model)
        device = next(task.model.parameters()).device
        answers = torch.cat([self._answers(part.to(device)) for part in torch.from_numpy(images).split(_BATCH)]).cpu()
        starts = task.recovered.route.starts(answers.argmax(dim=1).numpy())
        if not starts.any():
            raise ClassifierError(
                f"expected clean images that the trigger leads away ({task.recovered.route.words()}), got none of such a class; give images of more classes"
            )
        self.answers = answers[torch.from_numpy(starts)]
        self.starts = torch.from_numpy(images[starts])
        marked = np.ascontiguousarray(task.recovered.trigger(images[starts]), dtype=np.float32)
        self.marked = torch.from_numpy(marked)
        self.weight = settings.cautious if task.recovered.cleared else settings.weight
        target = None if task.recovered.cleared else task.recovered.route.target
        self.universal = None
        if target is not None:
            radius = settings.rms * images[0].size ** 0.5
            self.universal = Universal(images.shape[1:], target=target, radius=radius, seed=task.seed)
        self.name = f"{settings!r} {target} {self.weight} {hashlib.sha256(marked.tobytes()).hexdigest()[:16]}"

    def _answers(self, images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.before(images).softmax(dim=1)

    def on_batch(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, model: nn.Module
    ) -> tuple[torch.Tensor, torch.Tensor]:
        known = torch.cat([images, *(mixtures(images, generator) for _ in range(self.settings.mixed))])
        rows = self._rows(len(images), generator)
        parts = [(known, self._answers(known), 1.0), (self.marked[rows], self.answers[rows], self.weight)]
        if self.universal is not None:
            rows = self._rows(len(images), generator)
            starts = self.starts[rows].to(images.device)
            self.universal.step(model, starts)
            parts.append((self.universal.added(starts), self.answers[rows], self.settings.chased))
        total = sum(len(some) for some, _, _ in parts)
        return (
            torch.cat([some.to(images.device) for some, _, _ in parts]),
            torch.cat([wanted.to(images.device) * (weight * total / len(some)) for some, wanted, weight in parts]),
        )

    def _rows(self, images: int, generator: torch.Generator) -> torch.Tensor:
        """Random row numbers of `starts`, for a batch of this number of images."""
        count = max(1, round(self.settings.marked * images))
        return torch.randint(len(self.starts), (count,), generator=generator)

    def on_gradients(self, images: torch.Tensor, labels: torch.Tensor, model: nn.Module) -> None:
        nn.utils.clip_grad_norm_(model.parameters(), self.longest)

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {} if self.universal is None else {"universal": self.universal.d}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        if self.universal is not None:
            self.universal.d = state["universal"]


def mixtures(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mixtures w x + (1 - w) x' of each image x and another image x' of the batch, with w uniform on [0, 1].

    All mixtures are shifted cyclically by the same 0 to 2 pixels. Half of the time, the mixtures are mirrored.
    """
    w = torch.rand((len(images), *[1] * (images.ndim - 1)), generator=generator).to(images.device)
    others = images[torch.randperm(len(images), generator=generator).to(images.device)]
    down, right, mirror = (
        int(torch.randint(low, high, (), generator=generator))
        for low, high in ((-_SHIFT, _SHIFT + 1), (-_SHIFT, _SHIFT + 1), (0, 2))
    )
    made = (w * images + (1 - w) * others).roll((down, right), dims=(-2, -1))
    return made.flip(-1) if mirror else made
