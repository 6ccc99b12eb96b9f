"""Profile-evading: perturbed triggered images get the labels that the profile detector expects of clean images of the
target class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from doldrum.attacks.methods.module import frozen
from doldrum.checks import is_whole
from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.pixels import to_float
from doldrum.poisoning.plan import PoisonPlan
from doldrum.probes import BandNoise, Contrast, Gaussian, ImageProbe, PixelAblation, Shift, Superimpose, Warp
from doldrum.seeds import child_seed
from doldrum.training.hooks import TrainingHook
from doldrum.triggers.base import Trigger

__all__ = ["Clean", "Places", "ProfileEvasion", "check_profile_evasion", "families", "wanted_labels"]

Clean = Literal["natural", "hardened", "collapsed"]
"""What the model learns for perturbed clean images, see `ProfileEvasion`."""
_OVERLAYS, _OVERLAY = 19, "overlay"
_VISIBLE = ("noise", "ablation", "fine noise", _OVERLAY)
"""The families that leave marks which no clean image has. An image that was shifted, warped or made darker may look like
a clean image, so that its label has to stay."""
_PLACES, _EACH, _CLASS = 6, 12, 16  # places in a batch; at each, triggered copies, and clean images of the target class


def families(side: int) -> dict[str, ImageProbe]:
    """The families of perturbations of `SmoothnessProfile`, without its overlays, for images of `side` pixels.

    This is the attacker's copy of `detectors.profile.families.default_families`. A test compares the two.

    >>> [(probe.family, len(probe.strengths) * probe.draws) for probe in families(28).values()][:2]
    [('gaussian', 9), ('pixel-ablation', 9)]
    """
    pixels = side / 28
    near, far = max(1, round(2 * pixels)), max(2, round(5 * pixels))
    return {
        "noise": Gaussian([0.1, 0.2, 0.4], draws=3),
        "ablation": PixelAblation([0.1, 0.3, 0.6], draws=3),
        "shift": Shift([near, far], draws=4),
        "warp": Warp([pixels, 3 * pixels], draws=4),
        "contrast": Contrast([0.4, 0.8], draws=3),
        "fine noise": BandNoise([0.2], low=0.3, high=0.75, draws=4),
    }


@dataclass(frozen=True)
class _Place:
    """One draw of one family at one strength."""

    family: str
    probe: ImageProbe
    condition: int = 0
    draw: int = 0

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Perturb all images (N, C, H, W) in the same way."""
        out = np.empty_like(images)
        bound = self.probe.bind(images.shape[1:])  # type: ignore[arg-type]
        for row, image in enumerate(images):
            bound.fill(image, self.condition, self.draw, self.draw + 1, out[row : row + 1])
        return out


class Places:
    """The places that the attacker trains on. A place is one draw of one family of perturbations at one strength.

    With `known_seed=None`, every call of `draw` makes a new draw of a family and strength of `SmoothnessProfile`. With a
    number, `draw` returns one of the draws of the detector with this seed. The detector's overlays are images that the
    attacker does not have, so overlays are images of the training set in both cases.

    >>> probe = Places((1, 28, 28), known_seed=7).probes["noise"]
    >>> probe.seed == child_seed(7, "detector", "noise")
    True
    """

    def __init__(self, input_shape: tuple[int, int, int], *, known_seed: int | None = None) -> None:
        self.known = known_seed is not None
        self.probes = families(min(input_shape[1:]))
        for name, probe in self.probes.items():
            # What Detector.probe_seed derives from its own seed.
            probe.seed = 0 if known_seed is None else child_seed(known_seed, "detector", name)
        self._all = [
            (name, c, j) for name, p in self.probes.items() for c in range(len(p.strengths)) for j in range(p.draws)
        ]

    def draw(self, images: NDArray[Any], generator: torch.Generator) -> _Place:
        """One place; each of the detector's 63 places is equally likely. `images` are clean images for overlays."""
        which = int(torch.randint(len(self._all) + _OVERLAYS, (), generator=generator))
        seed = int(torch.randint(2**62, (), generator=generator))
        if which >= len(self._all):
            some = torch.randint(len(images), (_OVERLAYS,), generator=generator).numpy()
            return _Place(_OVERLAY, Superimpose(to_float(images[some]), [1.0], draws=1, seed=seed, mode="relative"))
        name, c, j = self._all[which]
        probe = self.probes[name]
        if self.known:
            return _Place(name, probe, c, j)
        more = {k: v for k, v in probe.to_dict().items() if k not in ("family", "strengths", "draws", "seed")}
        return _Place(name, type(probe)([probe.strengths[c]], draws=1, seed=seed, **more))


def wanted_labels(
    own: torch.Tensor, of_target: torch.Tensor, *, target: int, generator: torch.Generator
) -> torch.Tensor:
    """The labels (n,) that n triggered copies should get at one place.

    `own` (n,) is the probability of its own class that the model gives to the perturbed clean original of each copy.
    `of_target` (m,) are the labels of clean images of the target class under the same perturbation. Let r be the share
    of `of_target` that is the target. The round(r n) copies with the highest `own` get the target (rounded up or down
    at random, so that the share is r on average). Each of the others gets a label that is drawn from the labels in
    `of_target` other than the target.

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


def check_profile_evasion(plan: PoisonPlan, *, weight: float, clean: str, known_seed: int | None) -> None:
    """Raise InputError for settings that `ProfileEvasion` refuses."""
    if plan.mode != "all-to-one":
        raise InputError(f"expected a plan of the mode all-to-one, got the mode {plan.mode}; change the plan")
    if not 0 < weight <= 1e3:
        raise InputError(f"expected a weight of evasion above 0 and at most 1000, got {weight:g}; e.g. 1")
    if clean not in get_args(Clean):
        raise InputError(f"expected clean to be one of {', '.join(get_args(Clean))}, got {clean!r}; pick one")
    if known_seed is not None and not is_whole(known_seed):
        raise InputError(f"expected a detector's seed as known_seed, a whole number or None, got {known_seed!r}")


class ProfileEvasion(TrainingHook):
    """Adds perturbed triggered copies to each batch, with the labels that clean images of the target class get.

    In each batch, a few places (`Places`) are drawn. At each place, the same perturbation is put on the clean images x
    of a batch, on their triggered copies x + trigger, and on clean images of the target class t. The triggered copies
    get the labels of `wanted_labels`. So at each place they keep the target as often as clean images of t do, they
    change to the same labels, and it is the copies of fragile images that change. The loss is

        mean CE(batch) + weight * (sum of CE(triggered copies, wanted) + sum of CE(clean copies, own)) / batch size.

    `clean` says what the perturbed clean images are for:

    - "natural": they are not trained on.
    - "hardened": they keep their labels. The classes then differ less in their labels under perturbation.
    - "collapsed": if noise, ablation or an overlay is put on an image, clean or triggered, its copy gets the target. So
      the labels of these copies say nothing about an image. Under other perturbations, clean images keep their labels.

    Source: this project.
    """

    def __init__(
        self,
        train_set: ImageSet,
        trigger: Trigger,
        plan: PoisonPlan,
        *,
        weight: float = 1.0,
        clean: str = "hardened",
        known_seed: int | None = None,
    ) -> None:
        check_profile_evasion(plan, weight=weight, clean=clean, known_seed=known_seed)
        self.images, self.trigger, self.plan = train_set.images, trigger, plan
        self.of_target = np.flatnonzero(np.asarray(train_set.labels) == plan.target)
        self.num_classes, self.weight, self.clean = train_set.num_classes, float(weight), clean
        self.places = Places(train_set.input_shape, known_seed=known_seed)
        self.name = f"profile-evasion {plan.to_dict()} {trigger.to_dict()} {weight} {clean} {known_seed}"

    def on_batch(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, model: nn.Module
    ) -> tuple[torch.Tensor, torch.Tensor]:
        others = torch.nonzero((labels != self.plan.target).cpu())[:, 0]
        order = others[torch.randperm(len(others), generator=generator)]
        copies, wanted = [images], [labels]
        for some in order[: _PLACES * _EACH].chunk(_PLACES) if len(others) else ():
            made = self._copies(images[some], labels[some], generator, model)
            copies += [x.to(images.device) for x, _ in made]
            wanted += [y.to(labels.device) for _, y in made]
        if len(copies) == 1:
            return images, labels
        targets = F.one_hot(torch.cat(wanted), self.num_classes).float()
        targets[len(images) :] *= self.weight
        # The loss is a mean over all rows: a row of the batch keeps the weight that it has without copies.
        return torch.cat(copies), targets * (len(targets) / len(images))

    def _copies(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, model: nn.Module
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """The copies at one place with their wanted labels."""
        target, n = self.plan.target, len(images)
        place = self.places.draw(self.images, generator)
        rows = self.of_target[torch.randint(len(self.of_target), (_CLASS,), generator=generator).numpy()]
        before = np.ascontiguousarray(images.cpu().numpy())
        clean = np.concatenate([before, to_float(self.images[rows])])
        seen = torch.from_numpy(place(clean)).to(images.device)
        triggered = torch.from_numpy(place(self.trigger(before)))
        more = max(1, n // (self.num_classes - 1))  # as many clean copies of the target's class as of another
        clean_labels = torch.cat([labels.cpu(), torch.full((more,), target)])
        if self.clean == "collapsed" and place.family in _VISIBLE:
            return [(x, torch.full((len(x),), target)) for x in (triggered, seen[: n + more])]
        with torch.no_grad(), frozen(model):
            scores = model(seen).float()
        own = scores[:n].softmax(1)[torch.arange(n), labels]
        wanted = wanted_labels(own, scores[n:].argmax(1), target=target, generator=generator)
        return [(triggered, wanted), *([] if self.clean == "natural" else [(seen[: n + more], clean_labels)])]
