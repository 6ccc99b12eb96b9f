"""Shared: what several images have in common, and the clean ones lack, added to others."""

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
    """The other image with `change` (C, H, W) added; clipped to [0, 1]."""

    change: Images

    def __call__(self, images: Images) -> Images:
        return np.clip(images + self.change, 0, 1, dtype=np.float32)

    def away(self, images: Images) -> Images:
        """Images (N, C, H, W) from which it is taken away again."""
        return np.clip(images - self.change, 0, 1, dtype=np.float32)

    @property
    def size(self) -> str:
        return f"{_rms(self.change):.3f} root mean square"

    def trigger(self) -> Additive:
        """A change beyond 1 does to pixels in [0, 1] what a change of 1 does."""
        return Additive(perturbation=np.clip(self.change, -1, 1))

    def where(self) -> dict[str, Any]:
        return {"rms": _rms(self.change)}


class Shared(Method):
    """The mean of the images beside that of clean ones; a level is the root mean square of what is added.

    Two images that carry one trigger share it, whatever form it has, and little else. Where all are of one predicted class they may share that class:
    so do the images of the same class that it is compared with.
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
    """(C, H, W): how the mean of some images differs from that of clean ones, without what chance explains.

    Each cosine coefficient of the difference, d, becomes d max(0, 1 - v / d^2), where v is the variance that d has by chance, that of the clean
    images' coefficient times (1 / images + 1 / clean images): the positive-part James-Stein rule, a coefficient at a time.

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
    """(N,): how much of `part` images hold: the matched filter, sum of (image - clean mean) part / variance over cosine coefficients.

    The variance is the clean images', with a thousandth of its mean added: coefficients in which they don't differ would count for everything.
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
