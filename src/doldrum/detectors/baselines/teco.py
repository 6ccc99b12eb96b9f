"""TeCo: on a triggered input, some corruptions change the label even when they are mild, and others never change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors.contract.detector import Detector
from doldrum.detectors.contract.evidence import Evidence
from doldrum.probes import CORRUPTIONS, Corruptions, Probe

__all__ = ["TeCo"]

_SEVERITIES = (1, 2, 3, 4, 5)


class TeCo(Detector):
    """Score: the standard deviation, over kinds of corruption, of the severity at which the label first changes.

    s_k(x) = min {s in 1..5 : C(corrupt_k(x, s)) != C(x)}, or 6 if there is none; score = std_k s_k(x) (the population standard deviation).

    The detector needs labels, and clean data only for calibration. The detector takes 5 forward passes per kind of
    corruption, and one for the original image (71 with all 14 kinds; the paper's 15th kind, frost, needs photographs).
    Every corruption is applied to the original image. The authors' released code corrupts a list of images in place, so
    that an image has several corruptions at once.

    Parameters
    ----------
    kinds : names of doldrum.probes.CORRUPTIONS
    table : "imagenet-c" or "cifar-10-c"
        The benchmark that defines the five severities of each corruption. The authors' released code uses the
        severities of ImageNet-C for images of any size.
    seed : int, optional

    Source: Liu et al. 2023, arXiv 2303.18191, algorithm 1.
    """

    name = "teco"
    paper = "Liu et al. 2023, arXiv 2303.18191"

    def __init__(
        self, *, kinds: Sequence[str] = CORRUPTIONS, table: str = "imagenet-c", seed: int | None = None
    ) -> None:
        super().__init__(seed=seed)
        self.kinds = Corruptions(kinds, table=table).kinds  # refuses what is no kind or table
        self.table = table

    def probes(self) -> Mapping[str, Probe]:
        seed = self.probe_seed("corruption")
        return {"corruption": Corruptions(self.kinds, severities=_SEVERITIES, table=self.table, seed=seed)}

    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        draws = evidence.responses["corruption"].draws.reshape(len(evidence), len(self.kinds), len(_SEVERITIES))
        changed = draws != evidence.labels[:, None, None]
        first = np.where(changed.any(axis=2), 1 + changed.argmax(axis=2), len(_SEVERITIES) + 1)
        return np.where(evidence.labels < 0, np.nan, first.std(axis=1))
