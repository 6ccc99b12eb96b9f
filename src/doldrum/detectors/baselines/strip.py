"""STRIP: a trigger keeps its class when clean images are laid over the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

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
from doldrum.responses import Responses

__all__ = ["STRIP", "strip_score"]


def strip_score(responses: Responses) -> NDArray[np.float64]:
    """(N,): minus the mean of the readout "entropy" over the overlays, at the first strength; NaN if no draw was valid."""
    entropy = responses.readouts["entropy"][:, 0].astype(np.float64)
    return -np.ma.masked_invalid(entropy).mean(axis=1).filled(np.nan)


class STRIP(Detector):
    """Score -H(x), H = (1/N) sum_j H(f(clip(x + o_j))): minus the mean entropy, in nats, under N overlays o_j.

    It needs scores, and `draws` clean images as overlays, besides those for calibration. It takes `draws` + 1 forward passes per input. It cannot
    find triggers that need the source class (TaCT) or whose label depends on it (all-to-all).

    The overlays are `draws` of the images of `fit`, at random, kept in `overlays_`: `calibrate` refuses images of `fit`, so
    they are never calibrated on. All inputs get the same overlays (the paper redraws them for each), and the entropy is over
    classes, in nats (there, bits), averaged over overlays.

    Parameters
    ----------
    draws : int
        Overlays; the paper uses 100 and finds 10 enough.
    mode : "add" or "blend"
        "add", the paper's: both images at full weight, clipped to [0, 1]. "blend": (1 - weight) x + weight o_j.
    weight : float
        Of the overlay.
    seed : int, optional

    Source: Gao et al. 2019, arXiv 1902.06531, equations 3 and 4.

    Raises InputError from `fit` for fewer images than `draws`.
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
        mode: Literal["add", "blend"] = "add",
        weight: float = 1.0,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed=seed)
        if not is_number(draws) or int(draws) != draws or draws < 1:
            raise InputError(f"expected a whole number of draws of at least 1, got {draws!r}")
        Superimpose(np.zeros((1, 1, 1, 1)), [weight], mode=mode)  # refuses what is no mode or weight
        self.draws, self.weight = int(draws), float(weight)
        self.mode: Literal["add", "blend"] = mode
        self.overlays_: NDArray[Any] | None = None

    def prepare(self, classifier: Classifier, clean: ImageSet) -> None:
        if len(clean) < self.draws:
            raise InputError(
                f"expected at least {self.draws} clean images for fit, one per overlay, got {len(clean)}; "
                f"give more, or STRIP(draws={len(clean)})"
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
