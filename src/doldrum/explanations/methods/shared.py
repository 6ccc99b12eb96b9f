"""`Shared` adds to other images what several flagged images have in common and clean images do not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.explanations.methods.base import Carried, Images, Method, Score
from doldrum.explanations.methods.cosines import cosines
from doldrum.triggers.additive import Additive

__all__ = ["Shared", "Sum", "resemblance", "shared_part"]

_MOST_SCALE = 5.0  # a faint part is mostly chance: it isn't made more than so many times as strong


@dataclass(frozen=True, eq=False)
class Sum(Carried):
    """Adds `change` (C, H, W) to images, and clips the result to [0, 1]."""

    change: Images

    def __call__(self, images: Images) -> Images:
        return np.clip(images + self.change, 0, 1, dtype=np.float32)

    def away(self, images: Images) -> Images:
        """Images (N, C, H, W) with the change subtracted, clipped to [0, 1]."""
        return np.clip(images - self.change, 0, 1, dtype=np.float32)

    @property
    def size(self) -> str:
        return f"{_rms(self.change):.3f} root mean square"

    def trigger(self) -> Additive:
        """The change as a trigger, clipped to [-1, 1].

        For pixels in [0, 1], a larger change has the same effect as 1.
        """
        return Additive(perturbation=np.clip(self.change, -1, 1))

    def where(self) -> dict[str, Any]:
        return {"rms": _rms(self.change)}


class Shared(Method):
    """The mean of the flagged images minus the mean of clean images.

    A level is the root mean square of the added change.

    Two images with one trigger share this trigger, whatever its form, and little else. Images with one predicted class
    may also share the features of this class. But then the control images, which have the same class, share these
    features too.
    """

    kind = "shared"
    levels = (0.2, 0.14, 0.1, 0.07, 0.05, 0.035)
    together = True

    def find(self, images: Images, clean: Images, score: Score) -> list[Carried]:
        part = shared_part(images, clean)
        return [Sum(level, part * _scale(part, rms)) for level, rms in enumerate(self.levels)]

    def again(self, images: Images, clean: Images, level: int, where: Mapping[str, Any]) -> Carried:
        part = shared_part(images, clean)
        return Sum(level, part * _scale(part, self.levels[level]))


def shared_part(images: Images, clean: Images) -> Images:
    """The mean of some images minus the mean of clean images (C, H, W), reduced by what chance can cause.

    Each cosine coefficient d of the difference becomes d max(0, 1 - v / d^2). This formula is the positive-part
    James-Stein rule, for one coefficient at a time. Here v is the variance that d has by chance. This variance is the
    variance of the coefficient over clean images, times (1 / images + 1 / clean images).

    >>> rng = np.random.default_rng(0)
    >>> clean, others = rng.uniform(0.2, 0.8, (2, 200, 1, 8, 8)).astype(np.float32)
    >>> others[:, :, :, 3] += 0.2
    >>> part = shared_part(others, clean)
    >>> bool(abs(part[0, :, 3].mean() - 0.2) < 0.03), bool(abs(part[0, :, :3]).mean() < 0.02)
    (True, True)
    """
    rows, columns = cosines(images.shape[2]), cosines(images.shape[3])
    ours, theirs = rows @ images @ columns.T, rows @ clean @ columns.T
    difference = ours.mean(axis=0) - theirs.mean(axis=0)
    chance = theirs.var(axis=0) * (1 / len(images) + 1 / len(clean))
    kept = difference * np.maximum(0.0, 1 - chance / np.maximum(difference**2, 1e-12))
    return (rows.T @ kept @ columns).astype(np.float32)


def resemblance(images: Images, part: Images, clean: Images) -> NDArray[np.float64]:
    """How much of the pattern `part` each image contains (N,), by a matched filter.

    The filter is the sum of (image - clean mean) part / variance over cosine coefficients. The filter uses the variance
    over clean images, plus a thousandth of the variance's mean. Without this addition, coefficients in which clean
    images do not differ would dominate the sum.
    """
    rows, columns = cosines(images.shape[2]), cosines(images.shape[3])
    theirs = rows @ clean @ columns.T
    variance = theirs.var(axis=0)
    weights = (rows @ part @ columns.T) / (variance + 0.001 * variance.mean() + 1e-9)
    held = (rows @ images @ columns.T) - theirs.mean(axis=0)
    return (held * weights).sum(axis=(1, 2, 3), dtype=np.float64)


def _scale(part: Images, rms: float) -> float:
    return min(rms / max(_rms(part), 1e-9), _MOST_SCALE)


def _rms(change: Images) -> float:
    return float(np.sqrt(np.mean(change**2, dtype=np.float64)))
