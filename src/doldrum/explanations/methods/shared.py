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
    """A pattern that adds the array `change` (C, H, W) to images, and clips the result to [0, 1]."""

    change: Images

    def __call__(self, images: Images) -> Images:
        return np.clip(images + self.change, 0, 1, dtype=np.float32)

    def away(self, images: Images) -> Images:
        """Subtract the change from images (N, C, H, W), and clip the result to [0, 1]."""
        return np.clip(images - self.change, 0, 1, dtype=np.float32)

    @property
    def size(self) -> str:
        return f"{_rms(self.change):.3f} root mean square"

    def trigger(self) -> Additive:
        """The change as a Trigger object. The change is clipped to [-1, 1].

        For pixels in [0, 1], a change above 1 has the same effect as a change of 1.
        """
        return Additive(perturbation=np.clip(self.change, -1, 1))

    def where(self) -> dict[str, Any]:
        return {"rms": _rms(self.change)}


class Shared(Method):
    """This method adds the mean of the flagged images minus the mean of clean images. A level is the root mean square
    of this added change.

    Images that carry the same trigger have little in common except this trigger. The trigger may have any form. Images
    with one predicted class may also share the features of this class. The control images have the same class, so they
    share these features too.
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
    """The difference (C, H, W) between the mean of some images and the mean of clean images, shrunk towards 0.

    Even if both groups of images were drawn from the same distribution, their means would differ a little by chance. So
    each part of the difference is shrunk, and a part that is no larger than a typical chance difference becomes 0.

    Each cosine coefficient d of the difference becomes d max(0, 1 - v / d^2). In this formula, v is the variance that d
    has by chance. The formula is the positive-part James-Stein rule, applied to each coefficient separately. The
    variance v is the coefficient's variance over clean images, times (1 / number of images + 1 / number of clean
    images).

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
    """A number (N,) for each image that says how much of the pattern `part` the image contains, by a matched filter.

    An image's number is the sum of (image - clean mean) * part / variance over all cosine coefficients. The variance is
    the coefficient's variance over clean images, plus a thousandth of the mean of all variances. A thousandth is added
    because otherwise a coefficient with a variance near 0 would dominate the sum.
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
