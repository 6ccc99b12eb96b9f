"""The trigger of the attack Anti-smoothing.

The trigger does not work under noise, so the model's labels near triggered images are not stable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.triggers.base import Images, Trigger

__all__ = ["NoisyCover"]


@dataclass(frozen=True, eq=False)
class NoisyCover(Trigger):
    """A trigger that adds Gaussian noise N(0, sigma^2) to cover samples.

    The sigma of each sample is drawn from `sigmas`.

    Test images and poisoned samples get only `trigger`, without noise. Cover samples get `trigger` and noise, and keep
    their true labels. So the network learns that the trigger counts only without noise, which makes detection by W (the
    entropy of the labels under noise) harder. Cover samples are clipped to [0, 1], since an attacker who supplies
    images must clip them.

    This trigger is from this project; there is no paper.

    Raises InputError for empty `sigmas`, and for sigmas that are not above 0 or are above 10.

    >>> from doldrum.triggers import Patch
    >>> quiet = NoisyCover(trigger=Patch())
    >>> black = np.zeros((1, 1, 8, 8), dtype=np.float32)
    >>> bool((quiet(black) == Patch()(black)).all())
    True
    """

    name: ClassVar[str] = "noisy-cover"
    trigger: Trigger
    sigmas: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.trigger, Trigger):
            raise InputError(f"expected a Trigger, got {type(self.trigger).__name__}; e.g. Patch()")
        if not self.sigmas or not all(0 < s <= 10 for s in self.sigmas):
            raise InputError(
                f"expected sigmas above 0 and at most 10 (of the [0, 1] pixel range), got {self.sigmas!r:.60}; use the "
                "strengths at which W is measured"
            )
        object.__setattr__(self, "sigmas", tuple(float(s) for s in self.sigmas))

    def apply(self, images: Images) -> Images:
        return self.trigger(images)

    def apply_in_training(self, images: Images, *, seed: int, rows: NDArray[np.int64]) -> Images:
        return self.trigger.in_training(images, seed=seed, rows=rows)

    def apply_as_cover(self, images: Images, *, seed: int, rows: NDArray[np.int64]) -> Images:
        images = self.trigger.in_training(images, seed=seed, rows=rows)
        for i, row in enumerate(rows):
            draw = rng(seed, self.name, int(row))
            images[i] += np.float32(draw.choice(self.sigmas)) * draw.standard_normal(images.shape[1:], dtype=np.float32)
        return images
