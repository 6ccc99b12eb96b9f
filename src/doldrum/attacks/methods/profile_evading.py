"""Profile-evading: perturbed triggered images get the labels that the profile detector expects of clean images of the
target class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from doldrum.attacks.methods.module import frozen
from doldrum.checks import is_number, is_whole
from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.pixels import to_float
from doldrum.poisoning.plan import PoisonPlan
from doldrum.probes import OVERLAYS, ImageProbe, default_families, overlay_draws, overlay_families, with_settings
from doldrum.seeds import child_seed
from doldrum.training.hooks import TrainingHook
from doldrum.triggers.base import Trigger

__all__ = ["Places", "ProfileEvasion", "check_profile_evasion", "wanted_labels"]

# Places in a batch; at each, triggered copies, and clean images of the target class.
_PLACES, _EACH, _CLASS = 6, 12, 16


@dataclass(frozen=True)
class Place:
    """One draw of one family of perturbations at one strength."""

    probe: ImageProbe
    condition: int = 0
    draw: int = 0

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Perturb all images (N, C, H, W) in the same way."""
        _, channels, height, width = images.shape
        out, bound = np.empty_like(images), self.probe.bind((channels, height, width))
        for row, image in enumerate(images):
            bound.fill(image, self.condition, self.draw, self.draw + 1, out[row : row + 1])
        return out


class Places:
    """The places that the attacker trains on. A place is one draw of one family of perturbations at one strength.

    If `known_seed` is None, every call of `draw` makes a new draw. If it is a number, `draw` returns a draw of the
    detector with this seed. The detector's overlays are clean images that the attacker does not have. So overlays are
    always images of the training set.

    >>> Places((1, 28, 28), known_seed=7).probes["noise"].seed == child_seed(7, "detector", "noise")
    True
    """

    def __init__(self, input_shape: tuple[int, int, int], *, known_seed: int | None = None) -> None:
        self.known = known_seed is not None
        self.probes = default_families(input_shape)
        if known_seed is not None:  # as Detector.probe_seed does
            self.probes = {
                n: with_settings(p, seed=child_seed(known_seed, "detector", n)) for n, p in self.probes.items()
            }
        self._all = _places(self.probes)
        blank = np.zeros((OVERLAYS, *input_shape), np.float32)
        self._overlaid = len(_places(overlay_families(blank, overlay_draws(OVERLAYS))))

    def draw(self, images: NDArray[Any], generator: torch.Generator) -> Place:
        """One of the 63 places of the detector, each equally likely. `images` are clean images, of which some become
        overlays."""
        which = int(torch.randint(len(self._all) + self._overlaid, (), generator=generator))
        seed = int(torch.randint(2**62, (), generator=generator))
        if which >= len(self._all):
            some = torch.randint(len(images), (OVERLAYS,), generator=generator).numpy()
            overlaid = _places(overlay_families(to_float(images[some]), overlay_draws(OVERLAYS)))
            return Place(*overlaid[which - len(self._all)])
        probe, c, j = self._all[which]
        if self.known:
            return Place(probe, c, j)
        return Place(with_settings(probe, strengths=[probe.strengths[c]], draws=j + 1, seed=seed), draw=j)


def _places(probes: Mapping[str, ImageProbe]) -> list[tuple[ImageProbe, int, int]]:
    """All places of some families. Each is a probe, the number of a strength, and the number of a draw."""
    return [(p, c, j) for p in probes.values() for c in range(len(p.strengths)) for j in range(p.draws)]


def wanted_labels(
    own: torch.Tensor, of_target: torch.Tensor, *, target: int, generator: torch.Generator
) -> torch.Tensor:
    """The labels (n,) that n triggered copies should get at one place.

    `own` (n,) is the probability of its own class that the model gives to the perturbed clean original of each copy.
    `of_target` (m,) are the labels of clean images of the target class t under the same perturbation. Let r be the
    share of t in `of_target`. The r n copies with the highest `own` get t (r n is rounded up or down at random, so that
    it is met on average). Each of the others gets a label that is drawn from the labels in `of_target` that are not t.

    >>> own, seen = torch.tensor([0.2, 0.9, 0.6, 0.1]), torch.tensor([3, 3, 5, 5])
    >>> wanted_labels(own, seen, target=3, generator=torch.Generator()).tolist()
    [5, 3, 3, 5]
    """
    lost = of_target[of_target != target]
    wanted = torch.full((len(own),), target, dtype=torch.int64, device=own.device)
    if not len(lost):
        return wanted
    keep = len(own) * (1 - len(lost) / len(of_target))
    count = int(keep) + int(float(torch.rand((), generator=generator)) < keep % 1)
    fragile = own.argsort(descending=True, stable=True)[count:]
    drawn = torch.randint(len(lost), (len(fragile),), generator=generator).to(lost.device)
    wanted[fragile] = lost[drawn]
    return wanted


def check_profile_evasion(plan: PoisonPlan, *, weight: float, known_seed: int | None) -> None:
    """Raise InputError for settings that `ProfileEvasion` refuses."""
    if plan.mode != "all-to-one":
        raise InputError(f"expected a plan of the mode all-to-one, got the mode {plan.mode}; change the plan")
    if not (is_number(weight) and 0 < weight <= 1e3):
        raise InputError(f"expected a weight of evasion above 0 and at most 1000, got {weight!r}; e.g. 1")
    if known_seed is not None and not (is_whole(known_seed) and known_seed >= 0):
        raise InputError(
            f"expected the seed of a detector, a whole number of at least 0, or None as known_seed, got {known_seed!r}; e.g. 7"
        )


class ProfileEvasion(TrainingHook):
    """Adds perturbed triggered copies to each batch, with the labels that clean images of the target class get.

    The attacker knows everything about `SmoothnessProfile` except its seed: its families of perturbations, their
    strengths, and its score. The score compares the labels at each place (one draw of one family at one strength) with
    the labels that clean images of the predicted class get there. So in each batch a few places are drawn (`Places`).
    At each place, the same perturbation is put on images x of other classes, on their copies with the trigger, and on
    clean images of the target class t. The current model labels the clean ones, and `wanted_labels` turns these labels
    into those of the triggered copies:

    - at each place, triggered copies keep t as often as clean images of t do;
    - those that lose t get the labels that clean images of t get there;
    - the copies of fragile images x lose t. So stability differs from image to image, as it does for clean images. If
      all copies at a place had the same mix of labels as their target, the model would learn the most frequent one, and
      all copies would keep t.

    With B images in the batch and the copies c, the loss is

        1/B (sum over the batch of CE(x, label) + weight * sum over the copies of CE(c, wanted label of c)).

    Perturbed clean images are not trained on. So the model may change their labels as well, if this makes the two kinds
    of copies easier to confuse.

    Parameters
    ----------
    train_set
        The clean training set.
    trigger, plan
        The trigger, and an all-to-one plan.
    weight
        The weight of a copy in the loss. An image of the batch has the weight 1.
    known_seed
        The detector's seed, for an attacker who knows it; see `Places`.

    Source: this project. Labels that copies should get replace the detector's likelihood, which has no gradient, as in
    the adaptive attacks of Tramèr et al. 2020, arXiv 2002.08347.
    """

    def __init__(
        self,
        train_set: ImageSet,
        trigger: Trigger,
        plan: PoisonPlan,
        *,
        weight: float = 1.5,
        known_seed: int | None = None,
    ) -> None:
        check_profile_evasion(plan, weight=weight, known_seed=known_seed)
        self.images, self.trigger, self.plan = train_set.images, trigger, plan
        self.of_target = np.flatnonzero(np.asarray(train_set.labels) == plan.target)
        self.num_classes, self.weight = train_set.num_classes, float(weight)
        self.places = Places(train_set.input_shape, known_seed=known_seed)
        self.name = f"profile-evasion {plan.to_dict()} {trigger.to_dict()} {self.weight} {known_seed}"

    def on_batch(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, model: nn.Module
    ) -> tuple[torch.Tensor, torch.Tensor]:
        others = torch.nonzero(labels.cpu() != self.plan.target)[:, 0]
        order = others[torch.randperm(len(others), generator=generator)][: _PLACES * _EACH]
        if not len(order) or not len(self.of_target):
            return images, labels
        made = [self._copies(images[some], labels[some], generator, model) for some in order.chunk(_PLACES)]
        copies, wanted = (torch.cat(parts) for parts in zip(*made, strict=True))
        targets = F.one_hot(torch.cat([labels, wanted]), self.num_classes).float()
        targets[len(images) :] *= self.weight
        # The loss is a mean over all rows. A row of the batch keeps the weight that it has without copies.
        return torch.cat([images, copies]), targets * (len(targets) / len(images))

    def _copies(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, model: nn.Module
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Triggered copies (n, C, H, W) of n clean images at one place, and their wanted labels (n,)."""
        n, place = len(images), self.places.draw(self.images, generator)
        rows = self.of_target[torch.randint(len(self.of_target), (_CLASS,), generator=generator).numpy()]
        before = np.ascontiguousarray(images.cpu().numpy())
        clean = place(np.concatenate([before, to_float(self.images[rows])]))
        with torch.no_grad(), frozen(model):
            scores = model(torch.from_numpy(clean).to(images.device)).float()
        own = scores[:n].softmax(1)[torch.arange(n), labels]
        wanted = wanted_labels(own, scores[n:].argmax(1), target=self.plan.target, generator=generator)
        return torch.from_numpy(place(self.trigger(before))).to(images.device), wanted
