"""Common corruptions at five severities: the perturbations of the detector TeCo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.probes._corruption_kinds import KINDS
from doldrum.probes._corruption_tables import TABLES
from doldrum.probes.base import ImageProbe

__all__ = ["CORRUPTIONS", "Corruptions"]

CORRUPTIONS = (
    "gaussian-noise", "shot-noise", "impulse-noise", "defocus-blur", "glass-blur", "motion-blur", "zoom-blur", "snow", "fog",
    "brightness", "contrast", "elastic-transform", "pixelate", "jpeg-compression",
)  # fmt: skip
"""The corruptions of ImageNet-C: noise, blur, weather and digital corruptions.

Frost is left out, since it needs photographs.

In detectors and saved results, "all" means the corruptions in CORRUPTIONS. A corruption that is later added to KINDS is
not part of "all", and must be requested by name.
"""


class Corruptions(ImageProbe):
    """Apply one of several kinds of corruption at one of several severities. The result is clipped to [0, 1].

    A condition is one kind at one severity. With S severities, condition k * S + s is kind k at the s-th severity.
    `strengths` holds the severity of each condition. All random values (the noise, the direction of the blur, the
    snowflakes) depend only on (seed, kind, j), and are common to all inputs and severities.

    Parameters
    ----------
    kinds : names of KINDS
        The kinds of corruption; by default the 14 of CORRUPTIONS.
    severities : whole numbers, 0 to 5
        0 leaves the image unchanged.
    table : "cifar-10-c" or "imagenet-c"
        The settings of the corruptions: "cifar-10-c" has settings for images of 32 x 32 pixels, and "imagenet-c" has
        settings for ImageNet's images. (The released code of TeCo uses ImageNet's table for images of any size.)
    draws : int
    seed : int

    Source: Hendrycks and Dietterich 2019, arXiv 1903.12261, section 3 and appendix B. The settings of elastic
    transforms are in units of the image's smaller side; "imagenet-c" uses those of Michaelis et al. 2019, arXiv
    1907.07484, for images of any size.

    >>> probe = Corruptions(["contrast", "fog"], severities=[1, 5])
    >>> probe.strengths, probe.conditions[1]
    ((1.0, 5.0, 1.0, 5.0), ('contrast', 5))
    """

    family = "corruptions"

    def __init__(
        self,
        kinds: Sequence[str] = CORRUPTIONS,
        *,
        severities: Sequence[int] = (1, 2, 3, 4, 5),
        table: str = "cifar-10-c",
        draws: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(severities, draws=draws, seed=seed)
        self.check_whole("severities")
        self.check_strengths(5, "severities")
        self.kinds = tuple(kinds)
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds or len(set(self.kinds)) != len(self.kinds):
            raise InputError(f"expected different kinds among {', '.join(KINDS)}, got {list(self.kinds)}")
        if table not in TABLES:
            raise InputError(f"expected a table among {', '.join(TABLES)}, got {table!r}")
        self.table = table
        self.severities = tuple(int(s) for s in self.strengths)
        self.strengths = self.strengths * len(self.kinds)

    @property
    def conditions(self) -> tuple[tuple[str, int], ...]:
        """The conditions, as pairs (kind of corruption, severity)."""
        return tuple((kind, severity) for kind in self.kinds for severity in self.severities)

    def to_dict(self) -> dict[str, Any]:
        return {
            "family": self.family,
            "kinds": list(self.kinds),
            "severities": list(self.severities),
            "table": self.table,
            "draws": self.draws,
            "seed": self.seed,
        }

    def bind(self, input_shape: tuple[int, int, int]) -> Corruptions:
        return self

    def fill(self, image: NDArray[np.float32], condition: int, start: int, stop: int, out: NDArray[np.float32]) -> None:
        kind, severity = self.conditions[condition]
        if severity == 0:
            out[:] = image
            return
        setting = TABLES[self.table][kind][severity - 1]
        # Some kinds need values in [0, 1], which a probe's images need not keep to.
        x = np.clip(image, 0, 1).transpose(1, 2, 0).astype(np.float64)
        for j in range(start, stop):
            corrupted = KINDS[kind](x, setting, (self.seed, self.family, kind, j))
            out[j - start] = np.clip(corrupted, 0, 1).transpose(2, 0, 1)
