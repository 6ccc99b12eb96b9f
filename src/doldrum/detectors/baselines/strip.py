"""STRIP: a triggered input keeps its class when clean images are laid over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_number
from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.detectors.contract.detector import Detector
from doldrum.detectors.contract.evidence import Evidence
from doldrum.detectors.contract.hooks import Needs
from doldrum.detectors.shared.overlays import check_overlays, draw_overlays
from doldrum.errors import InputError
from doldrum.probes import Probe, Superimpose
from doldrum.probes.superimpose import Mode
from doldrum.responses import Responses

__all__ = ["STRIP", "strip_score"]


def strip_score(responses: Responses) -> NDArray[np.float64]:
    """The score (N,) of each input: minus the mean entropy over the overlays. Only the first strength is used. The
    score is NaN if the input has no valid draw."""
    entropy = responses.readouts["entropy"][:, 0].astype(np.float64)
    return -np.ma.masked_invalid(entropy).mean(axis=1).filled(np.nan)


class STRIP(Detector):
    """Score -H(x), H = (1/N) sum_j H(f(clip(x + o_j - m))): minus the mean entropy, in nats, under N overlays o_j.

    The detector needs scores, clean images for calibration, and further clean images as overlays. The detector takes
    `draws` + 1 forward passes per input. STRIP cannot find triggers that work only on one source class (TaCT), or whose
    target depends on the source class (all-to-all).

    The overlays are images of `fit`, chosen at random and stored in `overlays_`. The number of overlays is `draws`.
    Overlays are never used for calibration, since `calibrate` refuses images of `fit`. All inputs get the same
    overlays, while the paper draws new ones for each input. The entropy is over classes, averaged over overlays. The
    entropy is in nats, while the paper uses bits. m is the background of the overlays (`probes.Superimpose`), while the
    paper always has m = 0. On a black background, m is 0 too. On a bright background, most of x + o_j is white, and the
    method of the paper finds few triggers; see docs/results/detection-design.md.

    Parameters
    ----------
    draws : int
        The number of overlays. The paper uses 100 and finds that 10 are enough.
    mode : "add", "relative" or "blend"
        "relative", the default: x + weight (o_j - m), clipped to [0, 1], as in `SmoothnessProfile`. "add", as in the
        paper: x + weight o_j, clipped to [0, 1]. "blend": (1 - weight) x + weight o_j.
    weight : float
        The factor by which the overlay is multiplied, called weight in the formula above.
    seed : int, optional

    Source: Gao et al. 2019, arXiv 1902.06531, equations 3 and 4.

    `fit` raises InputError if it gets fewer images than `draws`.
    """

    name = "strip"
    needs: ClassVar[Needs] = "scores"
    paper = "Gao et al. 2019, arXiv 1902.06531"
    readouts = ("entropy",)
    learned: ClassVar[tuple[str, ...]] = ("overlays_",)

    def __init__(
        self,
        *,
        draws: int = 100,
        mode: Mode = "relative",
        weight: float = 1.0,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed=seed)
        if not is_number(draws) or int(draws) != draws or draws < 1:
            raise InputError(f"expected a whole number of draws of at least 1, got {draws!r}")
        Superimpose(np.zeros((1, 1, 1, 1)), [weight], mode=mode)  # refuses what is no mode or weight
        self.draws, self.weight = int(draws), float(weight)
        self.mode: Mode = mode
        self.overlays_: NDArray[Any] | None = None

    @property
    def fewest(self) -> int:
        return self.draws

    def prepare(self, classifier: Classifier, clean: ImageSet) -> None:
        if len(clean) < self.draws:
            raise InputError(
                f"expected at least {self.draws} clean images for fit, one per overlay, got {len(clean)}; "
                f"give more, or use STRIP(draws={len(clean)})"
            )
        self.overlays_ = draw_overlays(clean, self.draws, self.probe_seed("overlays"))

    def check_learned(self, input_shape: tuple[int, int, int], num_classes: int) -> None:
        check_overlays(self.overlays_, self.draws, input_shape)

    def probes(self) -> Mapping[str, Probe]:
        seed = self.probe_seed("overlay")
        if self.overlays_ is None:
            raise InputError(f"expected a fitted detector, got {self!r}; call fit(classifier, clean) first")
        return {"overlay": Superimpose(self.overlays_, [self.weight], seed=seed, mode=self.mode)}

    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        return strip_score(evidence.responses["overlay"])
